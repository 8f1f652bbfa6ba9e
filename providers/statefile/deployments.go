package statefile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	v1 "deployer/api/v1"
	"deployer/providers/internal/durable"
)

// Deployments have a file per service: whoever asks about one reads only that one. They
// hold no secret and no value of the environment, so everybody may read them, as state.json.
const (
	dirDeployments = "deployments"
	lineSuffix     = ".jsonl"
)

// KeptDeployments of each service; up to twice as many lines lie in its file.
const KeptDeployments = 50

// history is what this process knows of the files.
type history struct {
	// kept is about how many services keep theirs.
	kept int
	// lines of each file that it has written.
	lines map[string]int
	// untilLook counts down to the next look at how many there are.
	untilLook int
}

// serviceNames are those that may be part of a file's name.
var serviceNames = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,80}$`)

func deploymentsOf(service string) string { return dirDeployments + "/" + service + lineSuffix }

// SaveDeployment adds a deployment, or says anew how the one that began then went.
func (f *Files) SaveDeployment(_ context.Context, d v1.Deployment) error {
	doing := "recording a deployment of " + d.Service
	if !serviceNames.MatchString(d.Service) {
		return fmt.Errorf("%s: %q is not the name of a service", doing, d.Service)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	lines, known := f.history.lines[d.Service]
	if !known || lines >= 2*KeptDeployments {
		// Also after a crash: its half line, if any, must not swallow the next one.
		return f.rewriteDeployments(d)
	}
	if err := f.appendLine(deploymentsOf(d.Service), d); err != nil {
		return unavailable(doing, err)
	}
	f.history.lines[d.Service] = lines + 1
	return nil
}

// rewriteDeployments writes what is to be kept of a service, and d.
func (f *Files) rewriteDeployments(d v1.Deployment) error {
	all, err := readLines(f.Reader, deploymentsOf(d.Service), isDeployment)
	if err != nil {
		return err
	}
	kept := newest(append(all, d))
	slices.Reverse(kept)
	delete(f.history.lines, d.Service)
	if err := f.makeHistory(); err != nil {
		return unavailable("making "+dirDeployments, err)
	}
	if err := writeLines(f, deploymentsOf(d.Service), kept); err != nil {
		return err
	}
	f.history.lines[d.Service] = len(kept)
	return nil
}

// makeHistory makes the directory in place of anything else, and room for one more file.
func (f *Files) makeHistory() error {
	info, err := f.root.Lstat(dirDeployments)
	switch {
	case err == nil && info.IsDir():
		return f.forgetOldHistories()
	case err == nil:
		err = f.root.RemoveAll(dirDeployments)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err == nil {
		err = f.root.Mkdir(dirDeployments, 0o755)
	}
	if err == nil {
		err = f.root.Chmod(dirDeployments, 0o755) // whatever the umask
	}
	return errors.Join(err, durable.SyncDir(f.root, "."))
}

// forgetOldHistories deletes the files that were written longest ago, when there are too
// many. It looks once in a while only: reading a long directory for each new file of it
// adds up.
func (f *Files) forgetOldHistories() error {
	if f.history.untilLook--; f.history.untilLook > 0 {
		return nil
	}
	f.history.untilLook = f.history.kept / 8
	entries, err := fs.ReadDir(f.root.FS(), dirDeployments)
	if err != nil || len(entries) <= f.history.kept {
		return err
	}
	age := func(e fs.DirEntry) int64 {
		info, err := e.Info()
		if err != nil {
			return 0 // gone, or good for nothing
		}
		return info.ModTime().UnixNano()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(age(a), age(b)) })
	for _, e := range entries[:len(entries)-f.history.kept] {
		if err := f.root.RemoveAll(path.Join(dirDeployments, e.Name())); err != nil {
			return err
		}
		delete(f.history.lines, strings.TrimSuffix(e.Name(), lineSuffix))
	}
	return nil
}

// Deployments gives what is kept, newest first.
func (f *Files) Deployments(ctx context.Context, service string) ([]v1.Deployment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Reader.Deployments(ctx, service)
}

// Deployments gives those of a service, newest first; an empty service is all of them.
func (r Reader) Deployments(_ context.Context, service string) ([]v1.Deployment, error) {
	services, err := r.histories()
	if service != "" {
		services, err = []string{service}, nil
	}
	if err != nil {
		return nil, err
	}
	var out []v1.Deployment
	for _, name := range services {
		if !serviceNames.MatchString(name) {
			continue // nothing of ours is called that
		}
		all, err := readLines(r, deploymentsOf(name), isDeployment)
		if err != nil {
			return nil, err
		}
		out = append(out, newest(all)...)
	}
	slices.SortStableFunc(out, laterFirst)
	return out, nil
}

// histories are the services that have a file.
func (r Reader) histories() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, dirDeployments))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable("reading "+dirDeployments, err)
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), lineSuffix); ok {
			out = append(out, name)
		}
	}
	return out, nil
}

func isDeployment(d v1.Deployment) bool { return d.Service != "" && !d.Began.IsZero() }

// newest keeps of each deployment what was said last, and of the deployments the newest,
// those first.
func newest(lines []v1.Deployment) []v1.Deployment {
	slices.SortStableFunc(lines, laterFirst)
	var out []v1.Deployment
	for _, d := range lines {
		if last := len(out) - 1; last >= 0 && out[last].Began.Equal(d.Began) {
			out[last] = d
			continue
		}
		out = append(out, d)
	}
	return out[:min(len(out), KeptDeployments)]
}

func laterFirst(a, b v1.Deployment) int { return b.Began.Compare(a.Began) }
