package caddy

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"deployer/providers"
)

// target is the server that carries our routes.
type target struct {
	name string
	// exists: it is in the configuration; else the first write creates it.
	exists bool
}

// target chooses the server: the configured one; else one that listens on our port,
// preferring the one that has our routes, then one on all addresses; else
// DefaultServer. A configured server that is missing is created, unless another one has
// its port already, because Caddy would refuse two.
func (o *Options) target(s *snapshot) (target, error) {
	port := listenPort(o.Listen[0])
	var listening []server
	for _, srv := range s.servers {
		if srv.name == o.Server || o.Server == "" && srv.name == DefaultServer {
			return checkName(target{name: srv.name, exists: true})
		}
		if slices.ContainsFunc(srv.listen, func(l string) bool { return listensOn(l, port) }) {
			listening = append(listening, srv)
		}
	}
	switch {
	case o.Server != "" && len(listening) > 0:
		return target{}, &providers.Fault{
			Reason: "CaddyServerMissing",
			Message: fmt.Sprintf("Caddy has no server named %s, and its server %s listens on port %d already: "+
				"set caddy.server to %s in /etc/biz-deployer/config.yaml", o.Server, listening[0].name, port, listening[0].name),
		}
	case o.Server != "":
		return checkName(target{name: o.Server})
	case len(listening) == 0:
		return target{name: DefaultServer}, nil
	}
	best := slices.MaxFunc(listening, func(a, b server) int { return a.worth(port) - b.worth(port) })
	return checkName(target{name: best.name, exists: true})
}

// worth ranks servers that listen on the same port.
func (s *server) worth(port int) int {
	worth := 0
	if slices.ContainsFunc(s.routes, func(e element) bool { return e.service != "" }) {
		worth += 2
	}
	for _, l := range s.listen {
		if host, _, err := net.SplitHostPort(afterNetwork(l)); err == nil && listensOn(l, port) && isWildcard(host) {
			return worth + 1
		}
	}
	return worth
}

func isWildcard(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

// checkName refuses a name that Caddy's admin API cannot address.
func checkName(t target) (target, error) {
	if strings.Contains(t.name, "/") {
		return target{}, &providers.Fault{
			Reason:  "CaddyServerMissing",
			Message: fmt.Sprintf("Caddy's server %q has a slash in its name, so its admin API cannot change it: rename the server", t.name),
		}
	}
	return t, nil
}

// afterNetwork drops the network of a listen address: tcp/:443 is :443.
func afterNetwork(listen string) string {
	if network, rest, ok := strings.Cut(listen, "/"); ok && strings.HasPrefix(network, "tcp") {
		return rest
	}
	return listen
}

// listensOn understands host:port and host:from-to; unix, udp and placeholders never match.
func listensOn(listen string, port int) bool {
	_, p, err := net.SplitHostPort(afterNetwork(listen))
	if err != nil || strings.HasPrefix(listen, "udp") || strings.HasPrefix(listen, "unix") {
		return false
	}
	first, last, ranged := strings.Cut(p, "-")
	if !ranged {
		last = first
	}
	from, errFrom := strconv.Atoi(first)
	to, errTo := strconv.Atoi(last)
	return errFrom == nil && errTo == nil && from <= port && port <= to
}

// listenPort is the one port of an address; 0 when it has none.
func listenPort(listen string) int {
	_, p, err := net.SplitHostPort(afterNetwork(listen))
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return 0
	}
	return port
}
