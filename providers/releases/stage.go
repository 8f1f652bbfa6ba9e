package releases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/internal/durable"
)

// The files of a release directory. The unit names them, below its slot's pointer.
const (
	fileRelease  = "release.json"
	fileRoot     = "root"
	fileEnv      = "env"
	fileSecrets  = "secrets"
	fileRevision = "revision"
	fileVerdict  = "verdict"
)

// envelope is release.json.
type envelope struct {
	Instance    v1.Instance `json:"instance"`
	Commit      string      `json:"commit,omitempty"`
	StandbyPort int         `json:"standbyPort,omitempty"`
	StagedAt    time.Time   `json:"stagedAt"`
	// Release is defaulted: with the defaults of the day it was staged.
	Release v1.Release `json:"release"`
}

// Stage writes the directory of an instance beside and renames it into place, with a
// verdict that was there before. A directory that is whole and already says the same is
// left alone; any other one is exchanged, with no moment without it.
func (d *Directory) Stage(ctx context.Context, q providers.StageRequest) error {
	name := q.Instance.String()
	doing := fmt.Sprintf("staging %s of %s", name, q.Release.Service)
	if !validName(name) {
		return fmt.Errorf("%s: not a name for a release directory", doing)
	}
	contents, err := d.render(q)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	facts, err := d.Observe(ctx, q.Release.Service)
	if err != nil {
		return err
	}
	old, staged := facts.Staged[name]
	if staged && same(old, q) && d.hasSecrets(q) {
		return nil
	}
	// A verdict outlives the rest: a bad release must not look untried after a repair.
	v, err := verdictIn(filepath.Join(d.paths.Releases(), q.Release.Service, name), name)
	if err != nil {
		return unavailable(doing, err)
	}
	if v != nil {
		if contents[fileVerdict], err = encode(v); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	return d.write(q.Release.Service, doing, func(root *os.Root) error {
		if err := removeLeftovers(root); err != nil {
			return err
		}
		temp := durable.Temp(name)
		if err := fillDir(root, temp, q.Release.StorePath, contents); err != nil {
			return errors.Join(err, root.RemoveAll(temp))
		}
		if err := swap(root, temp, name); err != nil {
			return errors.Join(err, root.RemoveAll(temp))
		}
		return durable.SyncDir(root, ".")
	})
}

// render gives the content of every file but the link.
func (d *Directory) render(q providers.StageRequest) (map[string][]byte, error) {
	env, err := renderEnv(q.Release.Env)
	if err != nil {
		return nil, err
	}
	release, err := encode(envelope{
		Instance: q.Instance, Commit: q.Commit, StandbyPort: q.StandbyPort,
		StagedAt: d.now().UTC(), Release: q.Release,
	})
	return map[string][]byte{
		fileRelease: release, fileEnv: env, fileSecrets: q.Secrets.Content, fileRevision: []byte(q.Instance.String()),
	}, err
}

// Reserve writes the standby's port into release.json; all else of the directory stays.
func (d *Directory) Reserve(ctx context.Context, service, instance string, port int) error {
	doing := fmt.Sprintf("reserving port %d for %s of %s", port, instance, service)
	if port < 1 || port > 65535 {
		return fmt.Errorf("%s: not a port", doing)
	}
	facts, err := d.Observe(ctx, service)
	if err != nil {
		return err
	}
	r, ok := facts.Staged[instance]
	switch {
	case !ok:
		return fmt.Errorf("%s: %w", doing, providers.ErrNotFound)
	case r.StandbyPort == port:
		return nil
	}
	data, err := encode(envelope{
		Instance: r.Instance, Commit: r.Commit, StandbyPort: port, StagedAt: r.StagedAt, Release: r.Release,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return d.write(service, doing, func(root *os.Root) error {
		return durable.WriteFile(root, instance+"/"+fileRelease, data, modeOf(fileRelease))
	})
}

func same(old providers.StagedRelease, q providers.StageRequest) bool {
	return old.Instance == q.Instance && old.Commit == q.Commit && old.StandbyPort == q.StandbyPort &&
		written(old.Release) == written(q.Release)
}

// written is the release as it is on the disk, where nil and empty are the same. Its
// types hold only what JSON can write.
func written(r v1.Release) string {
	data, _ := encode(r)
	return string(data)
}

// hasSecrets compares the copy with the bytes that are asked for.
func (d *Directory) hasSecrets(q providers.StageRequest) bool {
	path := filepath.Join(d.paths.Releases(), q.Release.Service, q.Instance.String(), fileSecrets)
	have, err := readAtMost(path, int64(len(q.Secrets.Content))+1)
	return err == nil && string(have) == string(q.Secrets.Content)
}

// fillDir makes the directory, passable for the program, its secrets readable for root only.
func fillDir(root *os.Root, dir, storePath string, contents map[string][]byte) error {
	if err := root.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := root.Chmod(dir, 0o755); err != nil {
		return err
	}
	for name, data := range contents {
		if err := durable.Fill(root, dir+"/"+name, data, modeOf(name)); err != nil {
			return err
		}
	}
	if err := root.Symlink(storePath, dir+"/"+fileRoot); err != nil {
		return err
	}
	return durable.SyncDir(root, dir)
}

// modeOf: only the instance's name is for everybody.
func modeOf(name string) fs.FileMode {
	if name == fileRevision {
		return 0o644
	}
	return 0o600
}

// swap renames the new directory into place and deletes what it replaced.
func swap(root *os.Root, temp, name string) error {
	if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return root.Rename(temp, name)
	}
	if err := exchange(root, temp, name); err != nil {
		return err
	}
	return root.RemoveAll(temp)
}

func exchange(root *os.Root, a, b string) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	fd := int(dir.Fd())
	err = unix.Renameat2(fd, a, fd, b, unix.RENAME_EXCHANGE)
	return errors.Join(err, dir.Close())
}

// removeLeftovers deletes what crashes left of earlier stagings and discards.
func removeLeftovers(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	entries, err := dir.ReadDir(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return err
	}
	for _, e := range entries {
		if !durable.IsTemp(e.Name()) {
			continue
		}
		if err := root.RemoveAll(e.Name()); err != nil {
			return err
		}
	}
	return nil
}
