package caddy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Where our routes stand among other people's. Caddy takes the first route that
// matches, so:
//
//   - Each of ours stands before the first foreign route that would take all of its
//     requests: a catch-all, a wildcard host, or the same host without a path. The
//     manifest wins an equal claim, for a service that is deployed, healthy and silently
//     never asked would be worse.
//   - Each of ours stands after everything else that was there: foreign routes with a
//     path of the same host, and foreign routes that only pass requests on (headers,
//     encode, a firewall), go on working for our services too.
//   - Among ours a longer path of the same host comes first.
//
// A route that is right by these rules is left where it is, even if we would put it
// elsewhere today: moving it would be a write for nothing.

// answering are the handlers of Caddy that answer a request. All others are taken for
// middleware: to stand before a foreign firewall by mistake would be worse than to
// stand behind a foreign site.
var answering = []string{"static_response", "reverse_proxy", "file_server", "error", "acme_server", "metrics"}

// misplaced says for people why the route at index is not reached as it should be;
// empty when it stands right.
func misplaced(routes []element, index int) string {
	mine := routes[index]
	for i, e := range routes[:index] {
		switch {
		case e.service == "" && e.swallows(mine.hosts()):
			return fmt.Sprintf("route %d of somebody else comes first and takes its requests", i)
		case e.service != "" && e.shadows(mine):
			return fmt.Sprintf("the route of %s comes first and takes its requests", e.service)
		}
	}
	return ""
}

// arrange puts all routes of ours where the rules want them and keeps the order of the
// foreign ones.
func arrange(routes []element) []element {
	var ours, foreign []element
	for _, e := range routes {
		if e.service == "" {
			foreign = append(foreign, e)
		} else {
			ours = append(ours, e)
		}
	}
	slices.SortFunc(ours, func(a, b element) int {
		return cmp.Or(len(a.path())-len(b.path()), -strings.Compare(a.service, b.service))
	})
	before := make(map[string]int, len(ours))
	for i, e := range ours {
		before[e.service] = firstSwallower(foreign, e.hosts())
		for _, shorter := range ours[:i] {
			if shorter.overlaps(e) {
				before[e.service] = min(before[e.service], before[shorter.service])
			}
		}
	}
	slices.Reverse(ours)
	out := make([]element, 0, len(routes))
	for i := range len(foreign) + 1 {
		for _, e := range ours {
			if before[e.service] == i {
				out = append(out, e)
			}
		}
		if i < len(foreign) {
			out = append(out, foreign[i])
		}
	}
	return out
}

func firstSwallower(foreign []element, hosts []string) int {
	for i, e := range foreign {
		if e.swallows(hosts) {
			return i
		}
	}
	return len(foreign)
}

// swallows reports whether the route takes every request of one of the hosts.
func (e element) swallows(hosts []string) bool {
	if !e.answers() {
		return false
	}
	if len(e.match) == 0 {
		return true
	}
	return slices.ContainsFunc(e.match, func(set map[string]json.RawMessage) bool {
		return takesAll(set, hosts)
	})
}

// takesAll: the matcher set restricts nothing but the host, and one host is covered.
func takesAll(set map[string]json.RawMessage, hosts []string) bool {
	for key := range set {
		if key != "host" && key != "path" {
			return false
		}
	}
	if paths, ok := words(set["path"]); ok && !slices.Contains(paths, "*") && !slices.Contains(paths, "/*") {
		return false
	}
	patterns, ok := words(set["host"])
	if !ok {
		return true
	}
	return slices.ContainsFunc(hosts, func(host string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return hostCovers(p, host) })
	})
}

// hostCovers follows Caddy: case does not matter and a * stands for one label.
func hostCovers(pattern, host string) bool {
	p, h := strings.Split(strings.ToLower(pattern), "."), strings.Split(host, ".")
	if len(p) != len(h) {
		return false
	}
	for i := range p {
		if p[i] != "*" && p[i] != h[i] {
			return false
		}
	}
	return true
}

// answers reports whether a request that matches goes no further.
func (e element) answers() bool {
	return e.terminal || slices.ContainsFunc(e.handle, func(h handler) bool {
		return slices.Contains(answering, h.Handler) || slices.ContainsFunc(h.Routes, func(raw json.RawMessage) bool {
			nested := parseElement(raw)
			return len(nested.match) == 0 && nested.answers()
		})
	})
}

// shadows reports whether this route of ours, standing first, would take the other's
// requests.
func (e element) shadows(other element) bool {
	return e.overlaps(other) && len(e.path()) < len(other.path())
}

func (e element) overlaps(other element) bool {
	hosts := other.hosts()
	return slices.ContainsFunc(e.hosts(), func(h string) bool { return slices.Contains(hosts, h) })
}

// hosts and path are those of a route of ours.
func (e element) hosts() []string {
	if len(e.match) == 0 {
		return nil
	}
	hosts, _ := words(e.match[0]["host"])
	return hosts
}

func (e element) path() string {
	if len(e.match) == 0 {
		return ""
	}
	paths, _ := words(e.match[0]["path"])
	if len(paths) == 0 {
		return ""
	}
	return paths[0]
}

// words reads a list of strings; false when there is none.
func words(raw json.RawMessage) ([]string, bool) {
	var list []string
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil {
		return nil, false
	}
	return list, true
}
