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
	// Keep is the last good instance where the primary's pointer names it, looked after while
	// the target is prepared; nil when it is the target itself or when there is none.
	Keep *Target
	// Good is the newest good instance that is not the target: the way back. Nil for none.
	Good *Target
	// Condemned is the verdict on the instance that the manifest wants, when that is bad.
	Condemned *v1.Verdict
	// Blocked is why the service may not be touched at all, or why the wanted instance
	// cannot be known. It is shown whatever else the pass does.
	Blocked error
	// Deferred is why the wanted revision, of which this host has nothing yet, waits for
	// other hosts. What runs goes on, and nobody has to do anything here.
	Deferred error
	// Hold that is in force; nil when there is none.
	Hold *v1.Hold
	// Successor is another service that takes this one's place, and does not serve yet.
	Successor string
	Now       time.Time

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
	// Primary and Standby are what the slots show. Not a map: every pass of every service
	// fills and reads them.
	Primary, Standby slotFacts
	// Secret is the file as it is now; SecretErr why it may not be used.
	Secret    providers.Secret
	SecretErr error
	// Route is known only without RouteErr: a Caddy that is down stops no service from
	// starting, but nothing is removed while its routes are unknown.
	Route    providers.RouteFacts
	RouteErr error
	// Holder is who holds the primary's port while the primary itself does not run; empty
	// for nobody, and for a port of which nobody asked.
	Holder string
}

// slotFacts are the observations of one slot.
type slotFacts struct {
	Unit providers.UnitFacts
	// Probe of the slot, when it was running and something was to be asked; ProbeErr why
	// the question could not be put.
	Probe    providers.ProbeResult
	ProbeErr error
	// Open counts the connections to its port, while they are watched: see drains.
	Open int
}

// of gives the facts of a slot.
func (f *Facts) of(slot v1.Slot) *slotFacts {
	if slot == v1.Standby {
		return &f.Standby
	}
	return &f.Primary
}

// slots are all there are.
func slots() [2]v1.Slot { return [...]v1.Slot{v1.Primary, v1.Standby} }

// otherSlot is the one that it is not.
func otherSlot(slot v1.Slot) v1.Slot {
	if slot == v1.Standby {
		return v1.Primary
	}
	return v1.Standby
}

// unit are the facts of a slot's unit.
func (s *Scope) unit(slot v1.Slot) *providers.UnitFacts { return &s.Facts.of(slot).Unit }

// mind is what is remembered of a slot.
func (s *Scope) mind(slot v1.Slot) *slotMemory { return s.memory.of(slot) }

// pointed is the instance that a start of the slot would run.
func (s *Scope) pointed(slot v1.Slot) (providers.StagedRelease, bool) {
	r, ok := s.Facts.Releases.Staged[s.Facts.Releases.Pointers[slot]]
	return r, ok
}

// soaked reports whether the instance has been judged good.
func (s *Scope) soaked(instance string) bool { return s.verdict(instance) == v1.VerdictSoaked }

// bad reports whether the instance has been judged bad.
func (s *Scope) bad(instance string) bool { return s.verdict(instance) == v1.VerdictBad }

func (s *Scope) verdict(instance string) v1.VerdictResult {
	if v := s.Facts.Releases.Staged[instance].Verdict; v != nil {
		return v.Result
	}
	return ""
}

// runs reports whether the slot's process is that instance and up.
func (s *Scope) runs(slot v1.Slot, instance string) bool {
	u := s.unit(slot)
	return u.Running() && u.Instance == instance && !s.altered(slot)
}

// altered: the slot's process was started with somebody's settings, and its unit is put
// right by now: so it is as good as another instance, and gives way like one.
func (s *Scope) altered(slot v1.Slot) bool {
	u := s.unit(slot)
	return u.Current && u.MainPID != 0 && s.mind(slot).altered == u.MainPID
}

// uncertain is the first of the observations that may fail without ending the pass, in
// any round of it. While there is one, nothing is removed.
func (s *Scope) uncertain() error { return s.memory.doubt }

// instance is the target's name; empty when there is none.
func (s *Scope) instance() string {
	if s.Target == nil {
		return ""
	}
	return s.Target.name
}

// overlaps reports whether a release comes up beside the old one.
func (s *Scope) overlaps() bool {
	return s.Assignment.Strategy == v1.StrategyOverlap && s.Assignment.Service.HTTP != nil
}

// exists reports whether anything of the service is on this host.
func (s *Scope) exists() bool {
	f := &s.Facts
	if len(f.Releases.Staged) > 0 || len(f.Releases.Pointers) > 0 || f.Releases.Upstream != "" || len(f.Roots) > 0 {
		return true
	}
	return f.Primary.Unit.Ours || f.Standby.Unit.Ours || f.Route.Found
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

// about is the Scope with another target.
func (s *Scope) about(t *Target) *Scope {
	other := *s
	other.Target = t
	return &other
}
