package notify

import v1 "deployer/api/v1"

// well is the mood of a service that is as wanted.
const well = "Well"

// mood is what of a state is worth a message, and what tells two of them apart: another
// release that is rolled back is news, the same one reported twice is not. Empty for what
// goes on, is held, or is not known: none of them ends an illness.
type mood struct{ kind, revision string }

func (m mood) ill() bool { return m.kind == RolledBack || m.kind == Failed }

func moodOf(st v1.ServiceState) mood {
	switch {
	case st.State == v1.Stalled && st.Reason == RolledBack:
		return mood{RolledBack, st.Desired.Revision}
	case st.State == v1.Stalled:
		return mood{Failed, st.Desired.Revision}
	case st.State == v1.Settled && (st.Health == v1.Degraded || st.Health == v1.Failed):
		return mood{Failed, st.Desired.Revision}
	case st.State == v1.Settled && st.Sync == v1.Synced && st.Health == v1.Healthy:
		return mood{kind: well}
	}
	return mood{}
}
