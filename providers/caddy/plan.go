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
	d := draft{before: s, after: make(map[string][]element)}
	for _, srv := range s.servers {
		d.after[srv.name] = slices.Clone(srv.routes)
	}
	for _, ch := range changes {
		if ch.route == nil {
			d.drop(ch.service, "")
			continue
		}
		t, err := o.target(s)
		if err != nil {
			return nil, err
		}
		d.put(t, *ch.route)
	}
	return d.request(o)
}

// draft is the routes of each server as they should become.
type draft struct {
	before *snapshot
	after  map[string][]element
}

// drop takes the service's route out of all servers but one.
func (d *draft) drop(service, except string) {
	for name, routes := range d.after {
		if name != except {
			d.after[name] = slices.DeleteFunc(routes, func(e element) bool { return e.service == service })
		}
	}
}

// put changes the route where it is if it stands right there, and else arranges ours anew.
func (d *draft) put(t target, e element) {
	d.drop(e.service, t.name)
	routes := d.after[t.name]
	at := slices.IndexFunc(routes, func(x element) bool { return x.service == e.service })
	if at < 0 {
		d.after[t.name] = arrange(append(routes, e))
		return
	}
	if difference(routes[at].raw, e.raw) != "" {
		routes[at] = e
	}
	// A change of path may also put this one in the way of others of ours.
	for i, other := range routes {
		if other.service != "" && misplaced(routes, i) != "" {
			d.after[t.name] = arrange(routes)
			return
		}
	}
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
