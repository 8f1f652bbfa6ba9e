package service

import (
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Scope is what one round of a pass knows: what is wanted, what was seen, and what
// follows from the two. Steps read it and never change it; Assume is for plans only.
type Scope struct {
	Name       string
	Assignment v1.Assignment
	Facts      Facts
	// Target is the instance that should run; nil when none is known.
	Target *Target
	// Keep is the last good instance, looked after while the target is prepared; nil when
	// it is the target itself or when there is none.
	Keep *Target
	// Blocked is why the service may not be touched at all, or why the wanted instance
	// cannot be known. It is shown whatever else the pass does.
	Blocked error
	Now     time.Time

	// unobserved: an observation failed, and the facts are not all there.
	unobserved bool

	host   providers.Host
	memory *memory
}

// Target is an instance with all that is needed to run it.
type Target struct {
	Instance v1.Instance
	// name is the Instance's, root that of its GC root; every step asks for them.
	name, root string
	// Release is somebody else's, and not to be changed.
	Release *v1.Release
	Commit  string
	// Wanted: the manifest asks for it. False for what is only kept running.
	Wanted bool
}

// Facts are the observations of one round.
type Facts struct {
	Releases providers.ReleaseFacts
	// Roots by root name, for the instances in question.
	Roots    map[string]string
	Closures map[string]providers.ClosureFacts
	Units    unitFacts
	// Secret is the file as it is now; SecretErr why it may not be used.
	Secret    providers.Secret
	SecretErr error
	// Route is known only without RouteErr: a Caddy that is down stops no service from
	// starting, but nothing is removed while its routes are unknown.
	Route    providers.RouteFacts
	RouteErr error
	// Probe of the primary, when it was running and something was to be asked.
	Probe    providers.ProbeResult
	ProbeErr error
}

// unitFacts are the units of the two slots. Not a map: every pass of every service fills
// and reads them.
type unitFacts struct{ Primary, Standby providers.UnitFacts }

// of gives the facts of a slot's unit.
func (u *unitFacts) of(slot v1.Slot) *providers.UnitFacts {
	if slot == v1.Standby {
		return &u.Standby
	}
	return &u.Primary
}

// slots are all there are.
func slots() [2]v1.Slot { return [...]v1.Slot{v1.Primary, v1.Standby} }

// RootName is the name of the GC root of a service's revision. A revision has no dash, so
// the name can be taken apart again.
func RootName(service, revision string) string { return service + "-" + revision }

// primary are the facts of the primary slot's unit.
func (s *Scope) primary() providers.UnitFacts { return s.Facts.Units.Primary }

// pointed is the instance that a start of the primary would run.
func (s *Scope) pointed() (providers.StagedRelease, bool) {
	r, ok := s.Facts.Releases.Staged[s.Facts.Releases.Pointers[v1.Primary]]
	return r, ok
}

// soaked reports whether the instance has been judged good.
func (s *Scope) soaked(instance string) bool {
	v := s.Facts.Releases.Staged[instance].Verdict
	return v != nil && v.Result == v1.VerdictSoaked
}

// runs reports whether the primary's process is that instance and up.
func (s *Scope) runs(instance string) bool {
	u := s.primary()
	return u.Running() && u.Instance == instance
}

// uncertain is the first of the three observations that may fail without ending the pass,
// in any round of it. While there is one, nothing is removed.
func (s *Scope) uncertain() error { return s.memory.doubt }

// instance is the target's name; empty when there is none.
func (s *Scope) instance() string {
	if s.Target == nil {
		return ""
	}
	return s.Target.name
}

// exists reports whether anything of the service is on this host.
func (s *Scope) exists() bool {
	f := &s.Facts
	if len(f.Releases.Staged) > 0 || len(f.Releases.Pointers) > 0 || f.Releases.Upstream != "" || len(f.Roots) > 0 {
		return true
	}
	return f.Units.Primary.Ours || f.Units.Standby.Ours || f.Route.Found
}

// routed reports whether there should be a route in Caddy.
func (s *Scope) routed() bool {
	return s.Assignment.Kind == v1.Assigned && s.Assignment.Service.HTTP != nil
}

// wantsRoute is the route that should be in Caddy; nil for none.
func (s *Scope) wantsRoute() *providers.Route {
	if !s.routed() {
		return nil
	}
	h := s.Assignment.Service.HTTP
	return &providers.Route{
		Service: s.Name, Domains: append([]string{h.Domain}, h.Aliases...), Path: h.Path,
	}
}

// port is where the running release listens; 0 for a worker.
func (t *Target) port() int { return t.Release.InternalPort }
