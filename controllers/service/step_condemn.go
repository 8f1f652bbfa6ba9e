package service

import (
	"context"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// stepCondemn judges an instance bad: the verdict, with all that was seen, is durable
// before anything is done about it. The next round finds another target.
type stepCondemn struct {
	slot  v1.Slot
	fault *providers.Fault
}

func (stepCondemn) Name() string        { return "condemn" }
func (c stepCondemn) of() v1.Slot       { return c.slot }
func (stepCondemn) Condition() string   { return "Judged" }
func (stepCondemn) Done(s *Scope) bool  { return s.Condemned != nil }
func (c stepCondemn) Why(*Scope) string { return c.fault.Message }

func (c stepCondemn) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	evidence := gatherEvidence(ctx, s, c.slot, verdictLines)
	if c.slot == v1.Standby && s.unit(v1.Primary).Running() && saysPortTaken(evidence.Log) {
		s.memory.ignoresPort = s.instance()
		return reconcile.Result{}, nil
	}
	fault := c.fault
	if exit := exitSeen(ctx, s, c.slot); fault.Reason == "Exited" && exit.Result != "" {
		fault = endedAs(s, exitOf(exit)) // of a unit that runs again only the journal knows
	}
	return reconcile.Result{}, s.host.Releases.Judge(ctx, s.Name, v1.Verdict{
		Instance: s.instance(), Result: v1.VerdictBad, At: s.Now,
		Reason: fault.Reason, Message: fault.Message, Evidence: evidence,
	})
}

func (c stepCondemn) Assume(s *Scope) {
	r := s.Facts.Releases.Staged[s.instance()]
	r.Verdict = &v1.Verdict{Instance: s.instance(), Result: v1.VerdictBad, At: s.Now, Reason: c.fault.Reason}
	s.Facts.Releases.Staged[s.instance()] = r
}

// portIgnoredFault is not the release's own: it is well made for one slot.
func portIgnoredFault(s *Scope) error {
	return &providers.Fault{
		Reason: "PortIgnored",
		Message: fmt.Sprintf("the program does not take its port from PORT: beside the running one it tried to listen on %d, too; "+
			"`deploy-manifest set %s deploy.strategy=replace` restarts it in place instead", s.Assignment.Release.InternalPort, s.Name),
	}
}
