package service

import (
	"slices"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// chooseTarget decides which instance should run. The target is what the manifest wants,
// unless that has been judged bad: then it is the last good one, and going back is a
// rollout like any other. Where the wanted instance cannot be known (a secrets file that
// may not be used, no release yet, the service not mentioned), or waits for other hosts, it
// is what the primary's pointer names: what runs goes on.
//
// A foreign unit of the name blocks only a service that is to run here: the services of
// other hosts, and removals, have no business with it.
func chooseTarget(s *Scope) {
	if s.Assignment.Kind == v1.Dismissed {
		return
	}
	for _, slot := range slots() {
		u := s.unit(slot)
		if u.Found && !u.Ours && s.Assignment.Kind == v1.Assigned {
			s.Blocked = nameTaken(s.Name, slot)
			return
		}
	}
	switch {
	case s.Assignment.Kind != v1.Assigned || s.Assignment.Revision == "" || s.Deferred != nil:
		s.Target = pointedTarget(s)
	case s.Facts.SecretErr == nil:
		chooseWanted(s)
	default:
		s.Blocked = s.Facts.SecretErr
		s.Target = pointedTarget(s)
	}
	if s.Target == nil {
		return
	}
	s.Good = lastGood(s, s.instance())
	s.turnBack()
	if pointed := s.Facts.Releases.Pointers[v1.Primary]; pointed != s.instance() && s.soaked(pointed) {
		s.Keep = pointedTarget(s)
	}
}

// chooseWanted takes what the manifest wants, or the way back from it.
func chooseWanted(s *Scope) {
	instance := v1.Instance{Revision: s.Assignment.Revision, Secrets: s.Facts.Secret.Fingerprint}
	wanted := &Target{
		Instance: instance, name: instance.String(), root: v1.RootName(s.Name, instance.Revision),
		Release: &s.Assignment.Release, Commit: s.Assignment.Service.Commit, Wanted: true,
	}
	switch {
	case s.bad(wanted.name):
		s.Condemned = s.Facts.Releases.Staged[wanted.name].Verdict
		s.Target = lastGood(s, wanted.name)
	case s.overlaps() && s.memory.ignoresPort == wanted.name:
		s.Blocked = portIgnoredFault(s)
		s.Target = lastGood(s, wanted.name)
	default:
		s.Target = wanted
	}
}

func nameTaken(service string, slot v1.Slot) error {
	return &providers.Fault{
		Reason: "NameTaken", Err: providers.ErrConflict,
		Message: "a unit " + v1.UnitName(service, slot) + " that is not ours is on this host; " +
			"it is left alone: rename the service in the manifest, or remove that unit",
	}
}

// lastGood is the newest good instance but that one; nil when there is none.
func lastGood(s *Scope, but string) *Target {
	if len(s.Facts.Releases.Staged) == 1 && s.soaked(but) {
		return nil // as nearly always: not worth a list
	}
	good := newestGood(s)
	i := slices.IndexFunc(good, func(r providers.StagedRelease) bool { return r.Instance.String() != but })
	if i < 0 {
		return nil
	}
	return targetOf(s.Name, good[i])
}

func pointedTarget(s *Scope) *Target {
	r, ok := s.pointed(v1.Primary)
	if !ok {
		return nil
	}
	return targetOf(s.Name, r)
}

func targetOf(service string, r providers.StagedRelease) *Target {
	return &Target{
		Instance: r.Instance, name: r.Instance.String(), root: v1.RootName(service, r.Instance.Revision),
		Release: &r.Release, Commit: r.Commit,
	}
}
