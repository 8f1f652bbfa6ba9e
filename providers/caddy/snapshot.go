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
	// places of our routes, by service.
	places map[string]place
}

// place is the index of a server, and of a route in it.
type place struct{ server, route int }

// server is one of apps.http.servers, sorted by name.
type server struct {
	name   string
	listen []string
	// hasRoutes: there is a routes array, however short.
	hasRoutes bool
	routes    []element
	// misplaced routes of ours, by index, and why.
	misplaced map[int]string
	// fields are the bytes of everything in the server.
	fields map[string]json.RawMessage
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
	snap.places = make(map[string]place)
	for i, srv := range snap.servers {
		for j, e := range srv.routes {
			if _, known := snap.places[e.service]; e.service != "" && !known {
				snap.places[e.service] = place{i, j}
			}
		}
	}
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
	s.misplaced = misplaced(s.routes)
	return s, nil
}

// find gives the place of the service's route.
func (s *snapshot) find(service string) (place, bool) {
	p, found := s.places[service]
	return p, found
}

// differs says for people what of the wanted route is not there; empty when all is.
func (s *snapshot) differs(t target, wanted element) string {
	at, found := s.find(wanted.service)
	if !found {
		return "there is no route"
	}
	srv := s.servers[at.server]
	if srv.name != t.name {
		return fmt.Sprintf("the route is in server %s, should be in %s", srv.name, t.name)
	}
	if d := difference(srv.routes[at.route].raw, wanted.raw); d != "" {
		return d
	}
	return srv.misplaced[at.route]
}
