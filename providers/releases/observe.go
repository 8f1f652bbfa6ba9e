package releases

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/internal/durable"
)

// Observe reads what is there. A directory that is not whole, a pointer that names
// nothing of ours, an upstream file with a stray byte are facts, not errors: they are
// left out, and so written again. An error means that the disk did not answer.
func (d *Directory) Observe(_ context.Context, service string) (providers.ReleaseFacts, error) {
	facts := providers.ReleaseFacts{Staged: map[string]providers.StagedRelease{}, Pointers: map[v1.Slot]string{}}
	doing := "reading the releases of " + service
	if !validName(service) {
		return facts, fmt.Errorf("%s: not the name of a service", doing)
	}
	var err error
	if facts.Upstream, err = d.upstream(service); err != nil {
		return facts, unavailable(doing, err)
	}
	dir := filepath.Join(d.paths.Releases(), service)
	own, err := openService(dir)
	switch {
	case err != nil:
		return facts, unavailable(doing, err)
	case own == nil:
		return facts, nil
	}
	defer own.Close()
	names, err := own.Readdirnames(-1)
	if err != nil {
		return facts, unavailable(doing, err)
	}
	seen := map[string]remembered{}
	for _, name := range names {
		switch slot := v1.Slot(name); {
		case slot == v1.Primary || slot == v1.Standby:
			if target, err := os.Readlink(filepath.Join(dir, name)); err == nil && validName(target) {
				facts.Pointers[slot] = target
			}
		case durable.IsTemp(name):
			facts.Unfinished = append(facts.Unfinished, name)
		case validName(name):
			r, err := d.release(own, service, name)
			if err != nil {
				return facts, unavailable(doing, err)
			}
			if seen[name] = r; r.whole {
				facts.Staged[name] = r.staged
			}
		}
	}
	slices.Sort(facts.Unfinished)
	d.mu.Lock()
	d.known[service] = seen
	d.mu.Unlock()
	return facts, nil
}

// openService opens a service's directory; nil when there is none.
func openService(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, nil
	}
	return f, unlessAbsent(err)
}

// stamp tells whether a file is still the one that was read.
type stamp struct {
	inode        uint64
	size         int64
	mtime, ctime unix.Timespec
	mode, uid    uint32
}

type stamps [6]stamp

// files in the order of stamps.
var files = [len(stamps{})]string{fileRelease, fileRoot, fileEnv, fileSecrets, fileRevision, fileVerdict}

// remembered is a directory as it was last parsed. One that is not whole is remembered,
// too.
type remembered struct {
	stamps stamps
	whole  bool
	staged providers.StagedRelease
}

// release gives what a directory holds, parsed again only when one of its files changed.
func (d *Directory) release(own *os.File, service, name string) (remembered, error) {
	now, err := stat(own, name)
	if err != nil {
		return remembered{}, err
	}
	d.mu.Lock()
	last, ok := d.known[service][name]
	d.mu.Unlock()
	if ok && last.stamps == now {
		return last, nil
	}
	r := remembered{stamps: now}
	if !looksRight(now) {
		return r, nil
	}
	r.staged, r.whole, err = parse(filepath.Join(own.Name(), name), service, name)
	return r, err
}

func stat(own *os.File, instance string) (stamps, error) {
	var out stamps
	for i, name := range files {
		var st unix.Stat_t
		err := unix.Fstatat(int(own.Fd()), instance+"/"+name, &st, unix.AT_SYMLINK_NOFOLLOW)
		switch {
		case errors.Is(err, unix.ELOOP):
		case err != nil:
			if err := unlessAbsent(err); err != nil {
				return out, fmt.Errorf("looking at %s/%s: %w", instance, name, err)
			}
		default:
			out[i] = stamp{st.Ino, st.Size, st.Mtim, st.Ctim, st.Mode, st.Uid}
		}
	}
	return out, nil
}

// looksRight: every file but the verdict is there, ours, of its kind and mode.
func looksRight(s stamps) bool {
	for i, name := range files {
		want := uint32(unix.S_IFREG) | uint32(modeOf(name))
		switch {
		case name == fileVerdict:
			continue
		case name == fileRoot:
			want = s[i].mode&^unix.S_IFMT | unix.S_IFLNK
		}
		if s[i].mode != want || s[i].inode == 0 || int(s[i].uid) != os.Geteuid() {
			return false
		}
	}
	return true
}

// parse reads a directory and checks that its parts agree.
func parse(dir, service, name string) (out providers.StagedRelease, whole bool, err error) {
	var e envelope
	if whole, err = decode(filepath.Join(dir, fileRelease), &e); !whole || err != nil {
		return out, false, err
	}
	if e.Instance.String() != name || e.Release.Service != service {
		return out, false, nil
	}
	if whole, err = agrees(dir, e); !whole || err != nil {
		return out, false, err
	}
	out = providers.StagedRelease{
		Instance: e.Instance, Release: e.Release, Commit: e.Commit, StandbyPort: e.StandbyPort, StagedAt: e.StagedAt,
	}
	out.Verdict, err = verdictIn(dir, name)
	return out, err == nil, err
}

// agrees reports whether the files that systemd reads say what release.json says.
func agrees(dir string, e envelope) (bool, error) {
	target, err := os.Readlink(filepath.Join(dir, fileRoot))
	if err != nil || target != e.Release.StorePath {
		return false, unlessAbsent(err)
	}
	env, bad := renderEnv(e.Release.Env)
	if bad != nil {
		return false, nil //nolint:nilerr // nothing that we would have staged: so it is staged again
	}
	for file, want := range map[string][]byte{fileEnv: env, fileRevision: []byte(e.Instance.String())} {
		have, err := readAtMost(filepath.Join(dir, file), int64(len(want))+1)
		if err != nil || !bytes.Equal(have, want) {
			return false, unlessAbsent(err)
		}
	}
	return true, nil
}

// verdictIn is the verdict in a release directory, whole or not; nil when there is none
// that could be understood.
func verdictIn(dir, name string) (*v1.Verdict, error) {
	var v v1.Verdict
	ok, err := decode(filepath.Join(dir, fileVerdict), &v)
	if err != nil || !ok || v.Instance != name || v.Result != v1.VerdictSoaked && v.Result != v1.VerdictBad {
		return nil, err
	}
	return &v, nil
}

// decode reads JSON of ours; false for what is missing or is not that. Unknown fields are
// a newer version's, and pass.
func decode(path string, v any) (bool, error) {
	const most = 8 << 20
	data, err := readAtMost(path, most)
	if err != nil {
		return false, unlessAbsent(err)
	}
	return json.Unmarshal(data, v) == nil, nil
}

// unlessAbsent: that a file is missing is a fact; that it cannot be read is not.
func unlessAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, errNotRegular) {
		return nil
	}
	return err
}
