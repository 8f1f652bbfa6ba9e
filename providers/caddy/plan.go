package caddy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// request is one write to the admin API.
type request struct {
	method string
	path   string
	body   []byte
}

const serversPath = "/config/apps/http/servers"

// plan is the smallest write that brings the changes about; nil when all is as wanted.
// Pure, so that a lost race simply plans again from a new snapshot.
func (o *Options) plan(s *snapshot, changes []change) (*request, error) {
	var t target
	wanted := make(map[string]*element, len(changes))
	for _, ch := range changes {
		wanted[ch.service] = ch.route
		if ch.route == nil || t.name != "" {
			continue
		}
		var err error
		if t, err = o.target(s); err != nil {
			return nil, err
		}
	}
	d := draft{before: s, after: make(map[string][]element)}
	for _, srv := range s.servers {
		d.after[srv.name] = kept(srv, t, wanted)
	}
	d.add(t, changes)
	return d.request(o)
}

// draft is the routes of each server as they should become.
type draft struct {
	before *snapshot
	after  map[string][]element
}

// kept are the routes of a server that stay: all of other people's, and those of ours
// that nobody changes or that belong here, with their new content.
func kept(srv server, t target, wanted map[string]*element) []element {
	var out []element
	for _, e := range srv.routes {
		w, changes := wanted[e.service]
		switch {
		case e.service == "" || !changes:
			out = append(out, e)
		case w == nil || srv.name != t.name:
		case difference(e.raw, w.raw) == "":
			out = append(out, e)
		default:
			out = append(out, *w)
		}
	}
	return out
}

// add brings in the routes that the target does not have yet, and arranges ours anew
// when one is new or stands wrong, or came into the way of another by its change.
func (d *draft) add(t target, changes []change) {
	if t.name == "" {
		return
	}
	routes := d.after[t.name]
	there := make(map[string]bool, len(routes))
	for _, e := range routes {
		there[e.service] = true
	}
	had := len(routes)
	for _, ch := range changes {
		if ch.route != nil && !there[ch.service] {
			routes = append(routes, *ch.route)
		}
	}
	if len(routes) > had || len(misplaced(routes)) > 0 {
		routes = arrange(routes)
	}
	d.after[t.name] = routes
}

// request chooses between one element, one routes array, one new server, and all servers.
func (d *draft) request(o *Options) (*request, error) {
	var touched []string
	for name, routes := range d.after {
		if !slices.EqualFunc(routes, d.old(name).routes, sameBytes) {
			touched = append(touched, name)
		}
	}
	switch {
	case len(touched) == 0:
		return nil, nil
	case len(touched) > 1:
		return d.all(o)
	}
	name := touched[0]
	old, routes := d.old(name), d.after[name]
	path := serversPath + "/" + url.PathEscape(name)
	switch changed := changedAt(old.routes, routes); {
	case old.fields == nil:
		return encode(http.MethodPut, path, o.newServer(routes))
	case len(changed) == 1:
		return encode(http.MethodPatch, fmt.Sprintf("%s/routes/%d", path, changed[0]), routes[changed[0]].raw)
	case old.hasRoutes:
		return encode(http.MethodPatch, path+"/routes", raws(routes))
	default:
		// There is no array to replace: POST sets what is absent or null.
		return encode(http.MethodPost, path+"/routes", raws(routes))
	}
}

// all rewrites the servers, each with its own bytes but for the routes that changed: for
// a route of ours that moves from one server to another, which must be one write.
func (d *draft) all(o *Options) (*request, error) {
	servers := make(map[string]any, len(d.after))
	for name, routes := range d.after {
		old := d.old(name)
		if old.fields == nil {
			servers[name] = o.newServer(routes)
			continue
		}
		fields := make(map[string]any, len(old.fields)+1)
		for k, v := range old.fields {
			fields[k] = v
		}
		if !slices.EqualFunc(routes, old.routes, sameBytes) {
			fields["routes"] = raws(routes)
		}
		servers[name] = fields
	}
	return encode(http.MethodPatch, serversPath, servers)
}

// old is the server as it was; the zero server when there is none.
func (d *draft) old(name string) server {
	for _, srv := range d.before.servers {
		if srv.name == name {
			return srv
		}
	}
	return server{}
}

// newServer is what we create where nothing listens: Caddy adds certificates, and the
// redirects from plain HTTP, by itself.
func (o *Options) newServer(routes []element) map[string]any {
	srv := map[string]any{"listen": o.Listen, "routes": raws(routes)}
	if o.HTTP == HTTPOnly {
		srv["automatic_https"] = map[string]any{"disable": true}
	}
	return srv
}

// changedAt lists the indexes that differ; nil when the lengths do.
func changedAt(before, after []element) []int {
	if len(before) != len(after) {
		return nil
	}
	var changed []int
	for i := range after {
		if !sameBytes(before[i], after[i]) {
			changed = append(changed, i)
		}
	}
	return changed
}

func sameBytes(a, b element) bool { return bytes.Equal(a.raw, b.raw) }

func raws(routes []element) []json.RawMessage {
	out := make([]json.RawMessage, 0, len(routes))
	for _, e := range routes {
		out = append(out, e.raw)
	}
	return out
}

func encode(method, path string, body any) (*request, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encoding Caddy's routes: %w", err)
	}
	return &request{method: method, path: path, body: b}, nil
}
