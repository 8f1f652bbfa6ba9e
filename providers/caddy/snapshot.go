package caddy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// snapshot is Caddy's configuration as one GET saw it: the parts that concern us, and
// the bytes of all elements as Caddy gave them.
type snapshot struct {
	// etag covers the whole configuration; a write under it meets exactly this one.
	etag    string
	servers []server
}

// server is one of apps.http.servers, sorted by name.
type server struct {
	name   string
	listen []string
	// hasRoutes: there is a routes array, however short.
	hasRoutes bool
	routes    []element
	// fields are the bytes of everything in the server.
	fields map[string]json.RawMessage
}

// element is one route of a server, ours or somebody else's.
type element struct {
	raw json.RawMessage
	// service of our @id; empty when it is somebody else's.
	service string
	match   []map[string]json.RawMessage
	handle  []handler
	// terminal: no later route is looked at.
	terminal bool
}

// handler is as much of a handler as tells whether it answers.
type handler struct {
	Handler string            `json:"handler"`
	Routes  []json.RawMessage `json:"routes"`
}

// parseSnapshot reads a configuration. Nothing, null and a configuration without the
// http app are all the empty snapshot.
func parseSnapshot(etag string, body []byte) (*snapshot, error) {
	snap := &snapshot{etag: etag}
	if len(bytes.TrimSpace(body)) == 0 {
		return snap, nil
	}
	var config struct {
		Apps struct {
			HTTP struct {
				Servers map[string]map[string]json.RawMessage `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(body, &config); err != nil {
		return nil, err
	}
	for name, fields := range config.Apps.HTTP.Servers {
		s, err := parseServer(name, fields)
		if err != nil {
			return nil, err
		}
		snap.servers = append(snap.servers, s)
	}
	slices.SortFunc(snap.servers, func(a, b server) int { return strings.Compare(a.name, b.name) })
	return snap, nil
}

func parseServer(name string, fields map[string]json.RawMessage) (server, error) {
	s := server{name: name, fields: fields}
	if listen, ok := fields["listen"]; ok {
		if err := json.Unmarshal(listen, &s.listen); err != nil {
			return s, fmt.Errorf("server %s, listen: %w", name, err)
		}
	}
	var raws []json.RawMessage
	if routes, ok := fields["routes"]; ok {
		if err := json.Unmarshal(routes, &raws); err != nil {
			return s, fmt.Errorf("server %s, routes: %w", name, err)
		}
	}
	s.hasRoutes = raws != nil
	for _, raw := range raws {
		s.routes = append(s.routes, parseElement(raw))
	}
	return s, nil
}

// parseElement never fails: what we do not understand is somebody else's, and stays.
func parseElement(raw json.RawMessage) element {
	e := element{raw: raw}
	var head struct {
		ID       any                          `json:"@id"`
		Match    []map[string]json.RawMessage `json:"match"`
		Handle   []handler                    `json:"handle"`
		Terminal bool                         `json:"terminal"`
	}
	if json.Unmarshal(raw, &head) != nil {
		return e
	}
	e.match, e.handle, e.terminal = head.Match, head.Handle, head.Terminal
	if id, ok := head.ID.(string); ok && strings.HasPrefix(id, idPrefix) {
		e.service = strings.TrimPrefix(id, idPrefix)
	}
	return e
}

// find gives the server's index and the route's index in it.
func (s *snapshot) find(service string) (serverAt, routeAt int, found bool) {
	for i, srv := range s.servers {
		for j, e := range srv.routes {
			if e.service == service {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// differs says for people what of the wanted route is not there; empty when all is.
func (s *snapshot) differs(t target, wanted element) string {
	at, index, found := s.find(wanted.service)
	if !found {
		return "there is no route"
	}
	srv := s.servers[at]
	if srv.name != t.name {
		return fmt.Sprintf("the route is in server %s, should be in %s", srv.name, t.name)
	}
	if d := difference(srv.routes[index].raw, wanted.raw); d != "" {
		return d
	}
	return misplaced(srv.routes, index)
}
