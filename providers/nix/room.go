package nix

import (
	"context"
	"errors"
	"fmt"
	"math"
	"syscall"

	"deployer/providers"
)

// Space is what a file system has, in bytes.
type Space struct {
	// Free is what a process of root may still write.
	Free, Total int64
	// Files is how many more there may be; -1 where that has no bound.
	Files int64
}

// spaceOf asks the kernel; false where it does not know, and Nix has to find out.
func spaceOf(dir string) (Space, bool) {
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil || fs.Blocks == 0 {
		return Space{}, false
	}
	s := Space{Free: int64(fs.Bavail) * fs.Bsize, Total: int64(fs.Blocks) * fs.Bsize, Files: -1}
	if fs.Files > 0 {
		s.Files = int64(fs.Ffree)
	}
	return s, true
}

// reserve is what a pull leaves free: 5 % of the disk, and no more than 256 MiB. A closure
// that fits to the last byte would take the journal, the databases and our own state with
// it; on a large disk a share would keep gigabytes from being used.
func (s Space) reserve() int64 {
	const most = 256 << 20
	return min(s.Total/20, most)
}

// missing is how many bytes are lacking for need; not positive when it fits.
func (s Space) missing(need int64) int64 { return need + s.reserve() - s.Free }

// room refuses a pull that cannot fit, before it fills the disk of everybody.
func (m *Manager) room(ctx context.Context, storePath string, closure []PathStatus) error {
	space, known := m.o.Space(m.o.DiskRoot + storeDir)
	if !known || space.missing(sizeOf(closure)) <= 0 && space.Files != 0 {
		return nil
	}
	// What the walk took for missing may be here all the same, with the system or with
	// somebody else's roots: that is worth a question only now.
	need, err := m.stillNeeded(ctx, closure)
	if err != nil || need == 0 || space.missing(need) <= 0 && space.Files != 0 {
		return err
	}
	return diskFull(storePath, need, space, nil)
}

// gotFull says how much is missing after a pull that found the disk full: it fitted when
// it began, and somebody else was faster. What has come so far counts as had.
func (m *Manager) gotFull(ctx context.Context, storePath string, closure []PathStatus, fault error) error {
	space, known := m.o.Space(m.o.DiskRoot + storeDir)
	need, err := m.stillNeeded(ctx, closure)
	var full *providers.Fault
	if !known || err != nil || !errors.As(fault, &full) {
		return fault
	}
	return diskFull(storePath, need, space, full.Err)
}

func (m *Manager) stillNeeded(ctx context.Context, closure []PathStatus) (int64, error) {
	paths := make([]string, 0, len(closure))
	for _, p := range closure {
		paths = append(paths, p.StorePath)
	}
	valid, err := m.valid(ctx, paths)
	if err != nil {
		return 0, err
	}
	var need []PathStatus
	for _, p := range closure {
		// Valid and not on disk is fetched again.
		if !valid[p.StorePath] || !m.exists(p.StorePath) {
			need = append(need, p)
		}
	}
	return sizeOf(need), nil
}

// sizeOf is about what paths take on disk. Sizes are signed, but a sum may still be absurd.
func sizeOf(closure []PathStatus) (sum int64) {
	for _, p := range closure {
		sum += min(max(p.NarSize, 0), math.MaxInt64-sum)
	}
	return min(sum, math.MaxInt64/2) // room for the reserve
}

// diskFull is the world's fault, with the numbers.
func diskFull(storePath string, need int64, space Space, cause error) error {
	message := fmt.Sprintf("pulling %s needs %s in %s, and %s are free", storePath, inUnits(need), storeDir, inUnits(space.Free))
	switch missing := space.missing(need); {
	case space.Files == 0:
		message = fmt.Sprintf("pulling %s: the disk of %s takes no more files (it has no inodes left)", storePath, storeDir)
	case missing > 0:
		message += fmt.Sprintf(", of which %s are to stay so for the rest of the host: %s (%d bytes) are missing",
			inUnits(space.reserve()), inUnits(missing), missing)
	default:
		message += "; the disk was full for a moment"
	}
	return &providers.Fault{
		Reason: DiskFull, Err: cause,
		Message: message + "; free some space, for example with `nix-collect-garbage`",
	}
}

// inUnits is a number of bytes for people.
func inUnits(n int64) string {
	const kilo = 1000
	if n < kilo {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n), 0
	for size >= kilo && unit < len("kMGTPE") {
		size /= kilo
		unit++
	}
	return fmt.Sprintf("%.1f %cB", size, "BkMGTPE"[unit])
}
