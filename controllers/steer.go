package controllers

import (
	"context"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/controllers/tell"
	"deployer/providers"
)

// What people may ask of this host besides the manifest: another try, a pause, its end.
// Each is durable before it is answered, and recorded with who asked for it.

// Retry pardons the bad verdict on the instance that the manifest wants, so that it is
// tried again, and gives that verdict. Where there is nothing to pardon, it says why.
func (s *Set) Retry(ctx context.Context, service, by string) (v1.Verdict, error) {
	bad, err := s.badVerdict(ctx, service)
	if err != nil {
		return v1.Verdict{}, err
	}
	s.record(ctx, service, v1.Event{
		Reason: "Retried", Revision: s.Source.Lookup(service).Revision, Message: by + " asked for another try of " + bad.Instance,
	})
	if err := s.options.Host.Releases.Pardon(ctx, service, bad.Instance); err != nil {
		return v1.Verdict{}, fmt.Errorf("taking the verdict on %s back: %w", bad.Instance, err)
	}
	s.Engine.Enqueue(service)
	return bad, nil
}

// badVerdict is that on the instance which the manifest wants here now: its revision with
// the secrets file as it is. Another instance is another try anyway.
func (s *Set) badVerdict(ctx context.Context, service string) (v1.Verdict, error) {
	a := s.Source.Lookup(service)
	if err := s.mayRetry(ctx, service, a); err != nil {
		return v1.Verdict{}, err
	}
	secret, err := s.options.Host.Secrets.Read(ctx, a.Release.EnvFile)
	if err != nil {
		return v1.Verdict{}, err // it says what is to be done about the file
	}
	facts, err := s.options.Host.Releases.Observe(ctx, service)
	if err != nil {
		return v1.Verdict{}, err
	}
	instance := v1.Instance{Revision: a.Revision, Secrets: secret.Fingerprint}.String()
	if v := facts.Staged[instance].Verdict; v != nil && v.Result == v1.VerdictBad {
		return *v, nil
	}
	return v1.Verdict{}, nothing("%s has nothing to retry: %s was not judged bad. %s", service, a.Revision, s.whatItDoes(service))
}

// mayRetry: the manifest wants a release of it here, and nobody holds it.
func (s *Set) mayRetry(ctx context.Context, service string, a v1.Assignment) error {
	hold := s.inForce(service)
	switch {
	case a.Kind == v1.Assigned && hold != nil:
		return &providers.Fault{Reason: "Held", Message: fmt.Sprintf(
			"%s is held (%s), so nothing is tried: `%s` first", service, tell.Hold(*hold, s.options.Now()), s.unholdCommand(service))}
	case a.Kind == v1.Assigned && a.Revision != "":
		return nil
	case a.Kind == v1.Assigned:
		return nothing("%s has nothing to retry: it has no release yet; `deploy-push %s STORE_PATH` pushes one", service, service)
	}
	if err := s.mustKnow(ctx, service); err != nil {
		return err
	}
	return nothing("%s has nothing to retry: the manifest does not want it on %s", service, s.options.HostName)
}

// whatItDoes is how status puts it.
func (s *Set) whatItDoes(service string) string {
	st, ok := s.Board.State(service)
	if !ok {
		return "It was not looked at yet."
	}
	return fmt.Sprintf("It is %s (%s): %s", st.State, st.Reason, st.Message)
}

// Hold pauses a service on this host, and gives the hold of this host that it takes the
// place of.
func (s *Set) Hold(ctx context.Context, service string, h v1.Hold) (before *v1.Hold, err error) {
	if err := s.mustKnow(ctx, service); err != nil {
		return nil, err
	}
	now := s.options.Now()
	if err := h.Check(); err != nil {
		return nil, &providers.Fault{Reason: "HoldInvalid", Message: "the hold is not valid: " + err.Error()}
	}
	if !h.InForce(now) {
		return nil, &providers.Fault{Reason: "HoldInvalid", Message: fmt.Sprintf("the hold would be over already: it ends %s", tell.When(*h.Until, now))}
	}
	before = s.holds.of(service)
	if err := s.holds.set(ctx, service, &h); err != nil {
		return nil, fmt.Errorf("keeping the hold of %s: %w", service, err)
	}
	s.record(ctx, service, v1.Event{Reason: "HoldSet", Message: "on this host, by " + tell.StoredHold(h)})
	s.Engine.Enqueue(service)
	if !before.InForce(now) {
		return nil, nil
	}
	return before, nil
}

// Unheld is what an Unhold found.
type Unheld struct {
	// Was is the hold of this host that is over now; nil when there was none.
	Was *v1.Hold `json:"was,omitempty"`
	// Stays is that of the manifest, which this host cannot end.
	Stays *v1.Hold `json:"stays,omitempty"`
}

// Unhold ends the hold of this host. That there is none is no error: it is as wanted.
func (s *Set) Unhold(ctx context.Context, service, by string) (Unheld, error) {
	if err := s.mustKnow(ctx, service); err != nil {
		return Unheld{}, err
	}
	var out Unheld
	now := s.options.Now()
	if h := s.manifestHold(service); h.InForce(now) {
		out.Stays = h
	}
	was := s.holds.of(service)
	if was == nil {
		return out, nil
	}
	if err := s.holds.set(ctx, service, nil); err != nil {
		return out, fmt.Errorf("ending the hold of %s: %w", service, err)
	}
	if was.InForce(now) {
		out.Was = was
		s.record(ctx, service, v1.Event{Reason: "Unheld", Message: by + " ended the hold of this host, by " + tell.StoredHold(*was)})
	}
	s.Engine.Enqueue(service)
	return out, nil
}

// held is the hold of this host that counts now, for the passes; that of the manifest they
// know.
func (s *Set) held(service string) *v1.Hold {
	if h := s.holds.of(service); h.InForce(s.options.Now()) {
		return h
	}
	return nil
}

// inForce is the hold that counts now, that of the manifest first; nil when there is none.
func (s *Set) inForce(service string) *v1.Hold {
	if h := s.manifestHold(service); h.InForce(s.options.Now()) {
		return h
	}
	return s.held(service)
}

func (s *Set) manifestHold(service string) *v1.Hold { return s.Source.Lookup(service).Service.Hold }

// unholdCommand ends the hold that counts.
func (s *Set) unholdCommand(service string) string {
	if s.manifestHold(service).InForce(s.options.Now()) {
		return "deploy-manifest unhold " + service
	}
	return "deployerctl unhold " + service
}

// mustKnow: the manifest has it for this host, or something of it is here.
func (s *Set) mustKnow(ctx context.Context, service string) error {
	if _, reported := s.Board.State(service); reported || s.Source.Lookup(service).Kind == v1.Assigned {
		return nil
	}
	facts, err := s.options.Host.Releases.Observe(ctx, service)
	if err == nil && len(facts.Staged) > 0 {
		return nil
	}
	return &providers.Fault{Reason: ServiceUnknown, Message: fmt.Sprintf(
		"no service %s is known on %s: `deployerctl status` lists them, `deploy-manifest show %s` says on which hosts it belongs",
		service, s.options.HostName, service)}
}

// ServiceUnknown is the reason of a question about a service that is not on this host.
const ServiceUnknown = "ServiceUnknown"

func nothing(format string, args ...any) error {
	return &providers.Fault{Reason: "NothingToRetry", Message: fmt.Sprintf(format, args...)}
}

// record keeps an event of somebody's doing. One that cannot be written stops nothing.
func (s *Set) record(ctx context.Context, service string, e v1.Event) {
	e.Type, e.Service, e.Generation = v1.EventNormal, service, s.Source.Lookup(service).Generation
	s.recordOfHost(ctx, e)
}

// recordOfHost is for what concerns no one service, too.
func (s *Set) recordOfHost(ctx context.Context, e v1.Event) {
	e.APIVersion, e.Kind, e.Time, e.Host = v1.APIVersion, v1.KindEvent, s.options.Now().UTC(), s.options.HostName
	log := s.options.Logger.WithValues("service", e.Service)
	log.Info("event", "reason", e.Reason, "message", e.Message)
	if err := s.options.Host.States.Record(ctx, e); err != nil {
		log.Error(err, "recording an event")
	}
}
