package v1_test

// Pinned by revision_test.go. The revisions and the user were computed by another program,
// too, from the canonical JSON written by hand.
const (
	goldenRevision = "1fohi230a4t0"
	goldenLeast    = "1pid2lg82j28"
	goldenHash     = "sha256:45d72791b5af65137fd5b16f06a58eb82e316ed4141cce4441cdd0f262786ac7"
	goldenUser     = "jha7pe0hb928"
)
