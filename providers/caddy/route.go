package caddy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"deployer/providers"
)

// idPrefix marks what is ours. Because of the slash Caddy cannot address it as
// /id/biz-deployer/web (it takes "biz-deployer" for the id): we address a route by its
// index, under an If-Match that covers the whole configuration.
const idPrefix = "biz-deployer/"

// The route's times, DESIGN §9 and §8. A request waits for tryDuration while the
// upstream file is missing or its port is not served yet. Without a retry_match Caddy
// repeats any request that could not be connected, and after that only GETs: a POST
// that may have been received is never sent twice.
const (
	tryDuration      = "15s"
	tryInterval      = "50ms"
	upstreamIdle     = "2s"
	streamCloseDelay = "24h"
)

// routeJSON is a route of ours. The fields of these types are in the order of the
// alphabet, as Caddy gives them back: what is equal is then mostly equal byte for byte.
type routeJSON struct {
	ID       string         `json:"@id"`
	Handle   []reverseProxy `json:"handle"`
	Match    []matchJSON    `json:"match"`
	Terminal bool           `json:"terminal"`
}

type matchJSON struct {
	Host []string `json:"host"`
	Path []string `json:"path,omitempty"`
}

type reverseProxy struct {
	Handler          string        `json:"handler"`
	LoadBalancing    loadBalancing `json:"load_balancing"`
	StreamCloseDelay string        `json:"stream_close_delay"`
	Transport        transport     `json:"transport"`
	Upstreams        []upstream    `json:"upstreams"`
}

type upstream struct {
	Dial string `json:"dial"`
}

type loadBalancing struct {
	TryDuration string `json:"try_duration"`
	TryInterval string `json:"try_interval"`
}

type transport struct {
	KeepAlive keepAlive `json:"keep_alive"`
	Protocol  string    `json:"protocol"`
}

type keepAlive struct {
	IdleTimeout string `json:"idle_timeout"`
}

var serviceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// route renders a Route to the element that Caddy should have. The names are checked
// once more because they end up in a placeholder that Caddy expands to a file's content.
func (o *Options) route(r providers.Route) (element, error) {
	if !serviceName.MatchString(r.Service) {
		return element{}, fmt.Errorf("rendering a route: %q is not a service name", r.Service)
	}
	if len(r.Domains) == 0 || slices.Contains(r.Domains, "") {
		return element{}, fmt.Errorf("rendering the route of %s: it has no domain, and would catch everything", r.Service)
	}
	if r.Path != "" && !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, "*{}") {
		return element{}, fmt.Errorf("rendering the route of %s: path %q is not a plain prefix that begins with /", r.Service, r.Path)
	}
	match := matchJSON{Host: slices.Compact(slices.Sorted(slices.Values(r.Domains)))}
	if p := strings.TrimRight(r.Path, "/"); p != "" {
		match.Path = []string{p, p + "/*"}
	}
	raw, err := json.Marshal(routeJSON{
		ID:    idPrefix + r.Service,
		Match: []matchJSON{match},
		Handle: []reverseProxy{{
			Handler:          "reverse_proxy",
			Upstreams:        []upstream{{Dial: "{file." + o.Paths.Upstream(r.Service) + "}"}},
			LoadBalancing:    loadBalancing{TryDuration: tryDuration, TryInterval: tryInterval},
			Transport:        transport{Protocol: "http", KeepAlive: keepAlive{IdleTimeout: upstreamIdle}},
			StreamCloseDelay: streamCloseDelay,
		}},
		Terminal: true,
	})
	if err != nil {
		return element{}, fmt.Errorf("rendering the route of %s: %w", r.Service, err)
	}
	e := element{raw: raw, service: r.Service, hosts: match.Host}
	if len(match.Path) > 0 {
		e.path = match.Path[0]
	}
	return e, nil
}

// difference names the first place in which what Caddy has is not what it should have;
// empty when both mean the same.
func difference(have, want json.RawMessage) string {
	if bytes.Equal(have, want) {
		return ""
	}
	var h, w any
	if json.Unmarshal(have, &h) != nil || json.Unmarshal(want, &w) != nil {
		return "the route is not JSON"
	}
	return differenceAt("", h, w)
}

func differenceAt(at string, have, want any) string {
	if reflect.DeepEqual(have, want) {
		return ""
	}
	switch w := want.(type) {
	case map[string]any:
		if h, ok := have.(map[string]any); ok {
			return differenceIn(at, h, w)
		}
	case []any:
		if h, ok := have.([]any); ok && len(h) == len(w) {
			for i := range w {
				if d := differenceAt(fmt.Sprintf("%s[%d]", at, i), h[i], w[i]); d != "" {
					return d
				}
			}
		}
	}
	return fmt.Sprintf("%s is %s, should be %s", at, short(have), short(want))
}

func differenceIn(at string, have, want map[string]any) string {
	keys := make(map[string]bool, len(want))
	for k := range want {
		keys[k] = true
	}
	for k := range have {
		keys[k] = true
	}
	names := make([]string, 0, len(keys))
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		if d := differenceAt(strings.TrimPrefix(at+"."+k, "."), have[k], want[k]); d != "" {
			return d
		}
	}
	return ""
}

// short is a value for one line of status.
func short(v any) string {
	if v == nil {
		return "missing"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	if s := []rune(string(b)); len(s) > 120 {
		return string(s[:117]) + "..."
	}
	return string(b)
}
