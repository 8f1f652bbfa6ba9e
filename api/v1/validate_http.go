package v1

import (
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (h *HTTP) validate(p *field.Path) field.ErrorList {
	if h == nil {
		return nil
	}
	var out field.ErrorList
	if h.Domain == "" {
		out = append(out, missing(p.Child("domain"), "name the host name that people use"))
	} else {
		out = append(out, check(p.Child("domain"), h.Domain, badHostName(h.Domain))...)
	}
	out = append(out, checkList(p.Child("aliases"), h.Aliases, func(alias string) string {
		if alias == h.Domain {
			return "is the domain itself"
		}
		return badHostName(alias)
	})...)
	if h.Path != "" {
		out = append(out, check(p.Child("path"), h.Path, badPathPrefix(h.Path))...)
	}
	return append(out, checkPort(p.Child("internalPort"), h.InternalPort)...)
}

// checkPort refuses the ports that every host of ours needs for itself.
func checkPort(p *field.Path, port int) field.ErrorList {
	owner := ""
	switch port {
	case 0:
		return field.ErrorList{missing(p, "name the port on which the program listens")}
	case 22:
		owner = "SSH"
	case 80, 443:
		owner = "Caddy"
	case 2019:
		owner = "Caddy's admin interface"
	}
	if owner != "" {
		return field.ErrorList{problem(p, "%d is the port of %s", port, owner)}
	}
	return between(p, port, 1, 65535)
}

func (s *Service) validateHealth(p *field.Path) field.ErrorList {
	h := s.Health
	if h == nil {
		return nil
	}
	out := s.validateHealthType(p)
	if h.Path != "" {
		out = append(out, check(p.Child("path"), h.Path, badRequestPath(h.Path))...)
	}
	out = append(out, between(p.Child("status"), h.Status, http.StatusOK, 599)...)
	out = append(out, spanBetween(p.Child("interval"), h.Interval, 10*time.Millisecond, time.Hour)...)
	out = append(out, spanBetween(p.Child("timeout"), h.Timeout, 10*time.Millisecond, 5*time.Minute)...)
	out = append(out, spanBetween(p.Child("deadline"), h.Deadline, 100*time.Millisecond, LongestHealthDeadline)...)
	out = append(out, between(p.Child("rise"), h.Rise, 1, 100)...)
	out = append(out, checkCommand(p.Child("exec"), h.Exec)...)
	if d := h.withDefaults(); len(out) == 0 && Duration(d.Rise-1)*d.Interval >= d.Deadline {
		out = append(out, problem(p.Child("deadline"), "%s is too short for %d probes every %s", d.Deadline, d.Rise, d.Interval))
	}
	return out
}

// validateHealthType: at most one way of judging, and only what that way looks at.
func (s *Service) validateHealthType(p *field.Path) field.ErrorList {
	h := s.Health
	var ways []string
	for _, way := range []struct {
		name string
		set  bool
	}{{"tcp", h.TCP}, {"exec", len(h.Exec) > 0}, {"notify", h.Notify}} {
		if way.set {
			ways = append(ways, way.name)
		}
	}
	var out field.ErrorList
	if len(ways) > 1 {
		out = append(out, problem(p, "%s are set; keep one", strings.Join(ways, " and ")))
	}
	if h.TCP && s.HTTP == nil {
		out = append(out, problem(p.Child("tcp"), "needs http.internalPort to connect to"))
	}
	why := ""
	switch {
	case len(ways) > 0:
		why = "is of the HTTP probe, but " + ways[0] + " is set"
	case s.HTTP == nil:
		why = "is of the HTTP probe, but there is no http"
	}
	if why != "" && h.Path != "" {
		out = append(out, problem(p.Child("path"), "%s", why))
	}
	if why != "" && h.Status != 0 {
		out = append(out, problem(p.Child("status"), "%s", why))
	}
	return out
}

// badRequestPath is for health.path: what may stand in a request line, query included.
func badRequestPath(s string) string {
	switch {
	case !strings.HasPrefix(s, "/"):
		return "does not begin with /"
	case strings.HasPrefix(s, "//"):
		return "begins with //, which means another host"
	case len(s) > 2048:
		return "is longer than 2048 characters"
	case !consistsOf(s, "/-._~!$&'()*+,;=:@%?"):
		return "has characters that a request line cannot hold; escape them with %"
	}
	return ""
}
