package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
)

// fileID tells a directory from another one that took its place.
type fileID struct{ device, inode uint64 }

// follow makes the directories that are watched those that are there. Of one that was not
// followed before it tells: nobody saw what happened in it.
func (e *eye) follow(ctx context.Context) {
	began := time.Now()
	e.stale = false
	// What comes to be while we look is not seen by a watch that is not there yet: so we
	// look again, until nothing is new.
	for range 5 {
		there, missing := e.survey()
		e.missing = missing
		if !e.adopt(ctx, there) {
			break
		}
	}
	e.took = time.Since(began)
}

// adopt watches what is there and no more, and reports whether something was new.
func (e *eye) adopt(ctx context.Context, there map[string]dir) (news bool) {
	for path, d := range e.followed {
		if now, ok := there[path]; !ok || now.id != d.id {
			_ = e.notify.Remove(path) // it may be gone by itself
			delete(e.followed, path)
		}
	}
	for path, d := range there {
		_, known := e.followed[path]
		e.followed[path] = d
		if known {
			continue
		}
		if err := e.notify.Add(path); err != nil {
			delete(e.followed, path)
			e.failed(ctx, path, err)
			continue
		}
		news = true
		e.tell(e.whole(path, d))
	}
	return news
}

// failed is for a directory that cannot be followed. One that has just gone is no failure.
func (e *eye) failed(ctx context.Context, path string, err error) {
	if errors.Is(err, fs.ErrNotExist) || e.full {
		return
	}
	e.full = true
	logr.FromContextOrDiscard(ctx).Error(err, "watching a directory; what changes in it is seen by the full pass (see fs.inotify.max_user_watches)", "path", path)
}

// survey finds the directories to follow, and those that are missing.
func (e *eye) survey() (there map[string]dir, missing []string) {
	s := surveyor{there: map[string]dir{}}
	p := e.o.Paths
	s.add(p.RootsDir, dir{kind: roots})
	s.add(p.Upstreams(), dir{kind: upstreams})
	s.add(p.Services(), dir{kind: units})
	for _, d := range append([]string{p.UnitDir}, e.o.UnitDirs...) {
		s.units(d)
	}
	s.secrets(p.SecretsDir)
	if s.add(p.Releases(), dir{kind: releases}) {
		for _, service := range subdirectories(p.Releases()) {
			s.service(filepath.Join(p.Releases(), service), service)
		}
	}
	for _, m := range s.missing {
		s.waitFor(m)
	}
	return s.there, s.missing
}

// surveyor gathers directories.
type surveyor struct {
	there   map[string]dir
	missing []string
}

// add reports whether the directory is there.
func (s *surveyor) add(path string, d dir) bool {
	info, err := os.Stat(path)
	if err != nil {
		s.missing = append(s.missing, path)
		return false
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		d.id = fileID{st.Dev, st.Ino}
	}
	if known, ok := s.there[path]; ok && known.kind == ofServices {
		d.services = append(known.services, d.services...)
	}
	s.there[path] = d
	return true
}

func (s *surveyor) units(path string) {
	if !s.add(path, dir{kind: units}) {
		return
	}
	for _, name := range subdirectories(path) {
		if strings.HasSuffix(name, dropIns) {
			s.add(filepath.Join(path, name), dir{kind: ofServices, services: serviceOf(name)})
		}
	}
}

func (s *surveyor) secrets(path string) {
	if !s.add(path, dir{kind: secrets}) {
		return
	}
	for _, name := range subdirectories(path) {
		s.secrets(filepath.Join(path, name))
	}
}

// service follows a service's releases, and the store paths that its pointers lead to: a
// store as a whole is too much to watch, but of these the disappearance shows.
func (s *surveyor) service(path, service string) {
	d := dir{kind: ofServices, services: []string{service}}
	s.add(path, d)
	for _, instance := range subdirectories(path) {
		s.add(filepath.Join(path, instance), d)
	}
	var stores []string
	for _, slot := range []v1.Slot{v1.Primary, v1.Standby} {
		store, err := os.Readlink(filepath.Join(path, string(slot), "root"))
		if err == nil && filepath.IsAbs(store) && !slices.Contains(stores, store) {
			stores = append(stores, store)
			s.add(store, d)
		}
	}
}

// waitFor watches for a missing directory where it, or what leads to it, would come to be.
func (s *surveyor) waitFor(path string) {
	for up := parent(path); ; up = parent(up) {
		if _, followed := s.there[up]; followed {
			return
		}
		if _, err := os.Stat(up); err == nil {
			s.add(up, dir{kind: above})
			return
		}
		if up == parent(up) {
			return
		}
	}
}

// subdirectories are real ones with names that are not hidden.
func subdirectories(path string) []string {
	list, err := os.ReadDir(path)
	if err != nil {
		return nil // it has just gone: its parent tells
	}
	var out []string
	for _, e := range list {
		if e.IsDir() && !hidden(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out
}
