// Package files watches the files that the services of a host are made of: roots, units
// and their links and drop-ins, releases and pointers, upstream files, secrets, and the
// store paths that the pointers lead to.
//
// It watches directories, for files are replaced by renames. A directory that is not
// there is waited for where it would come to be. The kernel tells everything as it
// happens, and nothing is looked at in between.
package files

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"

	"deployer/providers"
)

// Options of New. Paths, Names and EnvFiles are required.
type Options struct {
	Paths providers.Paths
	// UnitDirs are further directories in which people put units, links and drop-ins.
	UnitDirs []string
	// Names are those of all services, for when it is not known what changed.
	Names func() []string
	// EnvFiles are the services that read a secrets file, by its path.
	EnvFiles func() map[string][]string
	// Notice is called before names are told, for caches that must not outlive a change.
	Notice func()
}

// Watcher is the providers.Watcher of files.
type Watcher struct{ o Options }

var _ providers.Watcher = (*Watcher)(nil)

// New touches nothing.
func New(o Options) *Watcher {
	if o.Notice == nil {
		o.Notice = func() {}
	}
	return &Watcher{o: o}
}

const (
	// gather is how long directories that come and go are waited for before they are
	// followed: they come in numbers.
	gather = 20 * time.Millisecond
	// share is the part of the time that may go into following directories, at most 1/share.
	share = 10
)

// Watch follows the directories until ctx ends. The only error is a kernel that has no
// room for one more watcher.
func (w *Watcher) Watch(ctx context.Context, changed func(service string)) error {
	notify, err := fsnotify.NewBufferedWatcher(64)
	if err != nil {
		return fmt.Errorf("watching files: %w (see fs.inotify.max_user_instances)", err)
	}
	defer notify.Close()
	e := &eye{o: w.o, notify: notify, followed: map[string]dir{}, changed: changed}
	e.follow(ctx)
	// What happened before is not known.
	e.tell(w.o.Names())
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-notify.Events:
			if e.see(event) && !e.stale {
				e.stale = true
				again.Reset(max(gather, share*e.took))
			}
		case err := <-notify.Errors:
			e.lost(ctx, err)
		case <-again.C:
			e.follow(ctx)
		}
	}
}

// eye is one Watch.
type eye struct {
	o        Options
	notify   *fsnotify.Watcher
	changed  func(string)
	followed map[string]dir
	// missing are directories that would be followed if they were there.
	missing []string
	// stale: directories came or went since they were followed last. took is how long that
	// took.
	stale bool
	took  time.Duration
	// full: the kernel's limit was reached, and that was said.
	full bool
}

// tell passes names on.
func (e *eye) tell(names []string) {
	if len(names) == 0 {
		return
	}
	e.o.Notice()
	for _, name := range names {
		e.changed(name)
	}
}

// lost is called when events were: the kernel keeps some thousands, and drops the rest.
func (e *eye) lost(ctx context.Context, err error) {
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		logr.FromContextOrDiscard(ctx).Error(err, "watching files")
	}
	e.follow(ctx)
	e.tell(e.o.Names())
}

// see makes names of an event, and reports whether directories came or went with it.
func (e *eye) see(event fsnotify.Event) (structure bool) {
	own, itself := e.followed[event.Name]
	if itself && event.Has(fsnotify.Remove|fsnotify.Rename) {
		delete(e.followed, event.Name) // the kernel follows it no more
		structure = true
	}
	if itself {
		e.tell(e.whole(event.Name, own))
	}
	above, entry := e.followed[parent(event.Name)]
	if !entry || hidden(event.Name) {
		return structure
	}
	e.tell(e.concerned(event.Name, above))
	return structure || event.Has(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) && e.shapes(event.Name, above)
}
