package files

import (
	"path/filepath"
	"slices"
	"strings"
)

// kind says what the entries of a directory are.
type kind int

const (
	// above is watched only for what is missing below it.
	above kind = iota
	// roots are named <service>-<revision>.
	roots
	// units are unit files, links to them, port files and directories of drop-ins.
	units
	// releases has a directory per service.
	releases
	// upstreams has a file per service.
	upstreams
	// secrets are files that the manifest names.
	secrets
	// ofServices is everything of one service, or of several that share a store path.
	ofServices
)

// dir is a directory that is followed.
type dir struct {
	kind     kind
	services []string
	id       fileID
}

// concerned are the services that an entry of a directory is about.
func (e *eye) concerned(path string, in dir) []string {
	base := filepath.Base(path)
	switch in.kind {
	case roots:
		if i := strings.LastIndexByte(base, '-'); i > 0 {
			return []string{base[:i]}
		}
	case units:
		return serviceOf(base)
	case releases, upstreams:
		return []string{base}
	case secrets:
		return e.readers(path)
	case ofServices:
		return in.services
	case above:
	}
	return nil
}

// whole are the services that a directory itself is about.
func (e *eye) whole(path string, d dir) []string {
	switch d.kind {
	case above:
		return nil
	case ofServices:
		return d.services
	case secrets:
		return e.readers(path)
	}
	return e.o.Names()
}

// readers are the services whose secrets file is that, or lies below it.
func (e *eye) readers(path string) []string {
	var out []string
	for file, services := range e.o.EnvFiles() {
		if file == path || strings.HasPrefix(file, path+"/") {
			out = append(out, services...)
		}
	}
	return out
}

// serviceOf understands web.service, web-standby.port and web.service.d.
func serviceOf(entry string) []string {
	for _, suffix := range []string{".service", dropIns, ".port"} {
		if name, ok := strings.CutSuffix(entry, suffix); ok {
			return []string{strings.TrimSuffix(name, "-standby")}
		}
	}
	return nil
}

const dropIns = ".service.d"

// shapes reports whether an entry may be a directory that is to be followed, or lead to
// one.
func (e *eye) shapes(path string, in dir) bool {
	switch in.kind {
	case releases, secrets, ofServices:
		return true
	case units:
		if strings.HasSuffix(path, dropIns) {
			return true
		}
	case roots, upstreams, above:
	}
	return slices.ContainsFunc(e.missing, func(m string) bool { return m == path || strings.HasPrefix(m, path+"/") })
}

// hidden names are of what is not finished yet.
func hidden(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }

func parent(path string) string { return filepath.Dir(path) }
