package service

import (
	v1 "deployer/api/v1"
	"deployer/providers"
)

// chooseTarget decides which instance should run. The target is what the manifest wants;
// where that cannot be known (a secrets file that may not be used, no release yet, the
// service not mentioned), it is what the primary's pointer names: what runs goes on.
// Judging instances bad, and going back to the last good one, will be decided here too.
//
// A foreign unit of the name blocks only a service that is to run here: the services of
// other hosts, and removals, have no business with it.
func chooseTarget(s *Scope) {
	if s.Assignment.Kind == v1.Dismissed {
		return
	}
	for _, slot := range slots() {
		u := s.Facts.Units.of(slot)
		if u.Found && !u.Ours && s.Assignment.Kind == v1.Assigned {
			s.Blocked = &providers.Fault{
				Reason: "NameTaken", Err: providers.ErrConflict,
				Message: "a unit " + v1.UnitName(s.Name, slot) + " that is not ours is on this host; " +
					"it is left alone: rename the service in the manifest, or remove that unit",
			}
			return
		}
	}
	switch {
	case s.Assignment.Kind != v1.Assigned || s.Assignment.Revision == "":
		s.Target = pointedTarget(s)
	case s.Facts.SecretErr == nil:
		instance := v1.Instance{Revision: s.Assignment.Revision, Secrets: s.Facts.Secret.Fingerprint}
		s.Target = &Target{
			Instance: instance, name: instance.String(), root: RootName(s.Name, instance.Revision),
			Release: &s.Assignment.Release, Commit: s.Assignment.Service.Commit, Wanted: true,
		}
		s.Keep = lastGood(s)
	default:
		s.Blocked = s.Facts.SecretErr
		s.Target = pointedTarget(s)
	}
}

// lastGood is the soaked instance that the primary's pointer names, unless it is the
// target itself. An instance that never soaked is not worth keeping up: a fix must not
// wait for the failure that it fixes.
func lastGood(s *Scope) *Target {
	pointed := s.Facts.Releases.Pointers[v1.Primary]
	if pointed == s.instance() || !s.soaked(pointed) {
		return nil
	}
	return pointedTarget(s)
}

func pointedTarget(s *Scope) *Target {
	r, ok := s.pointed()
	if !ok {
		return nil
	}
	return &Target{
		Instance: r.Instance, name: r.Instance.String(), root: RootName(s.Name, r.Instance.Revision),
		Release: &r.Release, Commit: r.Commit,
	}
}
