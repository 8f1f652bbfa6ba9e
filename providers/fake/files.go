package fake

import (
	"strconv"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// serviceFiles is what a service has below releases/ and upstreams/.
type serviceFiles struct {
	staged   map[string]providers.StagedRelease
	pointers map[v1.Slot]string
	// damaged directories have a file that is not as it was staged: they count as not there
	// until they are staged again, and keep their verdict.
	damaged map[string]bool
	// upstream is the file as it is; empty is no file.
	upstream string
	secrets  map[string]providers.SecretBytes
	// unfinished are directories that were being discarded when the daemon died.
	unfinished []string
}

// files makes the service's files when there are none yet.
func (w *World) files(service string) *serviceFiles {
	f := w.releases[service]
	if f == nil {
		f = &serviceFiles{
			staged:   map[string]providers.StagedRelease{},
			pointers: map[v1.Slot]string{},
			damaged:  map[string]bool{},
			secrets:  map[string]providers.SecretBytes{},
		}
		w.releases[service] = f
	}
	return f
}

// whole is a release directory as observers see it.
func (f *serviceFiles) whole(instance string) (providers.StagedRelease, bool) {
	r, ok := f.staged[instance]
	return r, ok && !f.damaged[instance]
}

// pointed is what the slot's pointer names, nil when nothing is there.
func (f *serviceFiles) pointed(slot v1.Slot) (string, *providers.StagedRelease) {
	if f == nil {
		return "", nil
	}
	name := f.pointers[slot]
	if r, ok := f.staged[name]; ok {
		return name, &r
	}
	return name, nil
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// primaryPort is where the primary listens, or would; otherwise is for a service that
// has no primary yet.
func (w *World) primaryPort(service string, otherwise v1.Release) int {
	if _, staged := w.files(service).pointed(v1.Primary); staged != nil {
		return staged.Release.InternalPort
	}
	return otherwise.InternalPort
}

// exactAddress is the address, or empty where Caddy could not use it: no sign, no zero in
// front.
func exactAddress(s string) string {
	port, found := strings.CutPrefix(s, "127.0.0.1:")
	n, err := strconv.Atoi(port)
	if !found || err != nil || port[0] < '1' || n > 65535 {
		return ""
	}
	return s
}
