package service

import (
	"context"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
)

// transition is what makes an event a new one. The message is no part of it: it may count
// probes or name a process.
type transition struct {
	step, reason, revision string
	slot                   v1.Slot
	kind                   v1.EventType
}

// intent is the reason of the event that announces a step.
func intent(step Step) string {
	return map[string]string{
		"root": "Rooting", "pull": "Pulling", "stage": "Staging", "route": "Routing",
		"install": "Installing", "start": "Starting", "health": "AwaitingHealth",
		"shift": "Shifting", "soak": "Soaking", "drain": "Draining", "retire": "Retiring", "prune": "Pruning",
		"condemn": "JudgedBad",
		"unroute": "Unrouting", "stop": "Stopping", "uninstall": "Uninstalling",
		"unroot": "Unrooting", "forget": "Forgetting",
	}[step.Name()]
}

// tell records an event, once until a pass ends well: a retry is no transition. An event
// that cannot be written stops nothing; it is in the journal.
func (r *Reconciler) tell(ctx context.Context, s *Scope, e v1.Event) { r.tellOf(ctx, s, "", e) }

// tellOf is tell about a slot: a release comes up in one after the other.
func (r *Reconciler) tellOf(ctx context.Context, s *Scope, slot v1.Slot, e v1.Event) {
	if e.Revision == "" && s.Target != nil {
		e.Revision = s.Target.Instance.Revision
	}
	key := transition{e.Step, e.Reason, e.Revision, slot, e.Type}
	if s.memory.told[key] {
		return
	}
	if s.memory.told == nil {
		s.memory.told = map[transition]bool{}
	}
	s.memory.told[key] = true

	e.APIVersion, e.Kind = v1.APIVersion, v1.KindEvent
	e.Time, e.Host, e.Service, e.Generation = r.now().UTC(), r.hostName, s.Name, s.Assignment.Generation
	log := logr.FromContextOrDiscard(ctx)
	log.Info("event", "service", s.Name, "revision", e.Revision, "generation", e.Generation, "step", e.Step,
		"reason", e.Reason, "message", e.Message)
	if err := r.host.States.Record(ctx, e); err != nil {
		log.Error(err, "recording an event")
	}
}
