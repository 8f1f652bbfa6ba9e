package providers

// ClosureFacts are about one store path. Usable needs both.
type ClosureFacts struct {
	// Valid: the Nix database knows it.
	Valid bool
	// OnDisk: its files are there.
	OnDisk bool
	// NarHash as the database has it, sha256:….
	NarHash string
}

// VerifyRequest is what Verify reads.
type VerifyRequest struct {
	StorePaths []string
	// BytesPerSecond bounds the speed, for what else reads the disk; 0 is no bound.
	BytesPerSecond int64
}

// Verified is what Verify saw.
type Verified struct {
	// Paths that were read.
	Paths int
	// Altered are those whose files are not what was registered, by path.
	Altered []Altered
}

// Altered is a store path with other files than were registered.
type Altered struct {
	StorePath string
	// What is half a sentence: "its hash is … and should be …".
	What string
}
