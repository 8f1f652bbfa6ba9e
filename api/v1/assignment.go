package v1

// AssignmentKind says what the manifest wants of a name on one host.
type AssignmentKind string

// The kinds of assignment.
const (
	// Assigned: it should run here.
	Assigned AssignmentKind = "assigned"
	// Dismissed: it is listed in removed, or its hosts do not name this host. Whatever
	// runs here of it goes.
	Dismissed AssignmentKind = "dismissed"
	// Absent: the manifest does not mention it. Nothing is removed for that.
	Absent AssignmentKind = "absent"
)

// Assignment is what one host needs of a service, worked out once per manifest and not
// once per pass.
type Assignment struct {
	Kind AssignmentKind
	// Service has its defaults.
	Service Service
	// Release has its defaults; Revision is the hash of what was written.
	Release  Release
	Revision string
	// Strategy and the sentence that says why.
	Strategy       string
	StrategyReason string
	// Generation of the manifest; By and Message are its updatedBy and message.
	Generation  int64
	By, Message string
}

// Assignments works out what the manifest wants on that host. Names that it does not
// mention are missing from the map: Absent.
func (m *Manifest) Assignments(host string) map[string]Assignment {
	out := make(map[string]Assignment, len(m.Services)+len(m.Removed))
	for _, r := range m.Removed {
		out[r.Name] = Assignment{Kind: Dismissed, Generation: m.Generation}
	}
	for _, s := range m.Services {
		if !s.RunsOn(host) {
			out[s.Name] = Assignment{Kind: Dismissed, Service: s.Default(), Generation: m.Generation}
			continue
		}
		strategy, reason := s.StrategyReason()
		a := Assignment{
			Kind: Assigned, Service: s.Default(), Generation: m.Generation,
			Strategy: strategy, StrategyReason: reason, By: m.UpdatedBy, Message: m.Message,
		}
		if s.HasRelease() {
			r := s.Release()
			a.Release, a.Revision = r.Default(), r.Revision()
		}
		out[s.Name] = a
	}
	return out
}

// RunsOn reports whether the service's hosts name that host.
func (s Service) RunsOn(host string) bool {
	for _, h := range s.Hosts {
		if h == host {
			return true
		}
	}
	return false
}
