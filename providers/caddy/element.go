package caddy

import (
	"encoding/json"
	"slices"
	"strings"
)

// element is one route of a server, ours or somebody else's.
type element struct {
	raw json.RawMessage
	// service of our @id; empty when it is somebody else's.
	service string
	// hosts and path are those of a route of ours; path is empty for everything.
	hosts []string
	path  string
	// takes are the host patterns, in lower case, of which a foreign route takes every
	// request; takesAll: it takes those of all hosts.
	takes    []string
	takesAll bool
}

// routeHead is as much of a route as tells what it takes.
type routeHead struct {
	ID       any                          `json:"@id"`
	Match    []map[string]json.RawMessage `json:"match"`
	Handle   []handlerHead                `json:"handle"`
	Terminal bool                         `json:"terminal"`
}

type handlerHead struct {
	Handler string            `json:"handler"`
	Routes  []json.RawMessage `json:"routes"`
}

// parseElement never fails: what we do not understand is somebody else's, and stays.
func parseElement(raw json.RawMessage) element {
	e := element{raw: raw}
	var head routeHead
	if json.Unmarshal(raw, &head) != nil {
		return e
	}
	if id, ok := head.ID.(string); ok && strings.HasPrefix(id, idPrefix) {
		e.service = strings.TrimPrefix(id, idPrefix)
		if len(head.Match) > 0 {
			e.hosts, _ = words(head.Match[0]["host"])
			if paths, _ := words(head.Match[0]["path"]); len(paths) > 0 {
				e.path = paths[0]
			}
		}
		return e
	}
	if !head.answers() {
		return e
	}
	e.takesAll = len(head.Match) == 0
	for _, set := range head.Match {
		hosts, all := takes(set)
		e.takes = append(e.takes, hosts...)
		e.takesAll = e.takesAll || all
	}
	return e
}

// takes gives the hosts of which a matcher set takes every request: those of one that
// restricts nothing but the host.
func takes(set map[string]json.RawMessage) (hosts []string, all bool) {
	for key := range set {
		if key != "host" && key != "path" {
			return nil, false
		}
	}
	if paths, ok := words(set["path"]); ok && !slices.Contains(paths, "*") && !slices.Contains(paths, "/*") {
		return nil, false
	}
	hosts, ok := words(set["host"])
	for i := range hosts {
		hosts[i] = strings.ToLower(hosts[i])
	}
	return hosts, !ok
}

// answers reports whether a request that matches goes no further. All handlers that are
// not known to answer are taken for middleware: to stand before a foreign firewall by
// mistake would be worse than to stand behind a foreign site.
func (r routeHead) answers() bool {
	return r.Terminal || slices.ContainsFunc(r.Handle, func(h handlerHead) bool {
		switch h.Handler {
		case "static_response", "reverse_proxy", "file_server", "error", "acme_server", "metrics":
			return true
		}
		return slices.ContainsFunc(h.Routes, func(raw json.RawMessage) bool {
			var nested routeHead
			return json.Unmarshal(raw, &nested) == nil && len(nested.Match) == 0 && nested.answers()
		})
	})
}

// words reads a list of strings; false when there is none.
func words(raw json.RawMessage) ([]string, bool) {
	var list []string
	if len(raw) == 0 || json.Unmarshal(raw, &list) != nil {
		return nil, false
	}
	return list, true
}
