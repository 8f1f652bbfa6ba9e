package v1

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxClaims bounds hosts times names of all services together: ten times what a thousand
// services on ten hosts need, and little enough to look through in no time.
const maxClaims = 200_000

// validateBetween finds what two services cannot both have: a name anywhere; a port, a
// domain with path, or a state directory on one host. Two services on different hosts may
// have one domain: which of them a client reaches is then DNS's affair.
func (m *Manifest) validateBetween(p *field.Path) field.ErrorList {
	names := make(map[string]int, len(m.Services))
	c := claimant{services: m.Services, owners: map[claim]int{}}
	for i := range m.Services {
		if len(c.problems) >= maxProblems || len(c.owners) > maxClaims {
			break
		}
		name, at := m.Services[i].Name, p.Index(i)
		if first, taken := names[name]; taken && name != "" {
			c.problems = append(c.problems, problem(at.Child("name"), "%s is already the name of %s", quote(name), p.Index(first)))
			continue
		}
		names[name] = i
		c.service(i, at)
	}
	if len(c.owners) > maxClaims {
		c.problems = append(c.problems, problem(p, "name more than %d domains, ports and directories on hosts together", maxClaims))
	}
	return c.problems
}

// claimant remembers who claimed what on which host, by position in the manifest.
type claimant struct {
	services []Service
	owners   map[claim]int
	problems field.ErrorList
}

// claim is one thing on one host.
type claim struct{ host, what string }

func (c *claimant) service(i int, at *field.Path) {
	s := &c.services[i]
	if h := s.HTTP; h != nil {
		p := at.Child("http")
		if h.InternalPort != 0 {
			c.take(i, p.Child("internalPort"), "port "+strconv.Itoa(h.InternalPort))
		}
		c.domain(i, p.Child("domain"), h.Domain)
		for k, alias := range h.Aliases {
			c.domain(i, p.Child("aliases").Index(k), alias)
		}
	}
	// By the first part: systemd hands a directory over with all that is below it.
	if dir, _, _ := strings.Cut(s.StateDirectory, "/"); dir != "" {
		c.take(i, at.Child("stateDirectory"), "/var/lib/"+dir)
	}
}

func (c *claimant) domain(i int, at *field.Path, domain string) {
	prefix := c.services[i].HTTP.Path
	setDefault(&prefix, "/")
	if domain != "" {
		c.take(i, at, domain+prefix)
	}
}

// take claims something on all hosts of a service, and reports the first host on which
// another one has it. Case makes no second thing: Caddy matches paths without regard to it.
func (c *claimant) take(i int, at *field.Path, what string) {
	reported := false
	for _, host := range c.services[i].Hosts {
		if len(c.owners) > maxClaims {
			return
		}
		key := claim{host, strings.ToLower(what)}
		owner, taken := c.owners[key]
		if !taken {
			c.owners[key] = i
		}
		if taken && owner != i && !reported {
			e := problem(at, "%s is already taken by service %s on host %s", what, c.services[owner].Name, host)
			e.Type = field.ErrorTypeDuplicate
			c.problems = append(c.problems, e)
			reported = true
		}
	}
}
