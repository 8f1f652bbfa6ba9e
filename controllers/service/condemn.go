package service

import (
	"context"
	"fmt"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// What makes a release bad. The world's faults never do: a store or a Caddy that does not
// answer, a probe that could not be put, a stranger on the port.
const (
	// fall is how many bad probes in a row, after it was well, are too many while it soaks,
	// and flapsTooMany how many spells of them.
	fall         = 3
	flapsTooMany = 3
	// verdictLines of the journal are kept with a verdict, evidenceLines are shown in status.
	verdictLines  = 200
	evidenceLines = 20
)

// portTaken is the prober's word for a stranger on the port.
const portTaken = "PortTaken"

// condemnation is why the wanted instance, which has not soaked, is bad, and the slot in
// which that was seen; nil when it is not.
func (s *Scope) condemnation() (*providers.Fault, v1.Slot) {
	if s.Target == nil || !s.Target.Wanted || !s.staged() || s.verdict(s.instance()) != "" {
		return nil, ""
	}
	for _, slot := range slots() {
		if s.Facts.Releases.Pointers[slot] != s.instance() && !s.runs(slot, s.instance()) {
			continue
		}
		if fault := s.failing(slot); fault != nil {
			return fault, slot
		}
	}
	return nil, ""
}

// staged reports whether the wanted instance has a whole release directory. Until it has,
// nobody knows whether it was judged before: a good one whose directory was damaged is put
// right first, and is as good as ever then.
func (s *Scope) staged() bool {
	_, ok := s.Facts.Releases.Staged[s.instance()]
	return ok
}

func (s *Scope) failing(slot v1.Slot) *providers.Fault {
	f, mind, instance := s.Facts.of(slot), s.mind(slot), s.instance()
	if f.Probe.Reason == portTaken || slot == v1.Primary && s.Facts.Holder != "" {
		return nil
	}
	switch {
	case mind.started(instance) && mind.startFault != nil:
		return s.fault(mind.startFault.Reason, mind.startFault.Message)
	case s.ended(slot):
		return endedFault(s, slot)
	case !f.answersBadly():
		return nil
	case mind.flapsOf == instance && mind.flaps >= flapsTooMany:
		return s.fault("Flapped", fmt.Sprintf("fell ill %d times while it soaked, the last time so: %s", mind.flaps, ill(s, slot)))
	case mind.wellOf == instance && mind.bad >= fall && f.Unit.Running():
		return s.fault("IllWhileSoaking", fmt.Sprintf("was well, and then not any more while it soaked: %s", ill(s, slot)))
	}
	if deadline := time.Duration(s.health().Deadline); mind.unwellFor(instance, s.Now) >= deadline {
		return s.fault("HealthDeadlineExceeded", fmt.Sprintf("was not well for %s: %s", deadline, ill(s, slot)))
	}
	return nil
}

// answersBadly: it was asked, and is not well; or it does not run, or says nothing.
func (f *slotFacts) answersBadly() bool { return f.ProbeErr == nil && !f.Probe.OK }

// ill says what is wrong with what a slot runs.
func ill(s *Scope, slot v1.Slot) string { return stepHealth{slot}.Why(s) }

// fault is the release's own.
func (s *Scope) fault(reason, what string) *providers.Fault {
	return &providers.Fault{
		Reason: reason, Own: true,
		Message: fmt.Sprintf("%s %s; look at `deployerctl logs %s`, and push a fix or roll back", s.Target.Instance.Revision, what, s.Name),
	}
}

// ended reports whether the instance, which has not soaked, ended by itself since it was
// started. systemd may have started it again since: that makes it no better release.
func (s *Scope) ended(slot v1.Slot) bool {
	u, mind, instance := s.unit(slot), s.mind(slot), s.instance()
	known := mind.started(instance) || mind.seenOf == instance
	if s.soaked(instance) || !known {
		return false
	}
	switch u.Active {
	case "active":
		return u.Instance == instance && u.Restarts > mind.restarts
	case "failed", "inactive":
		// What is always started again and is not was stopped by somebody.
		byHand := u.Result == "success" && s.Target.Release.Systemd.Restart == v1.DefaultRestart
		return mind.started(instance) && u.Result != "" && !byHand
	case "deactivating":
		return mind.started(instance) && (u.Restarts > mind.restarts || u.Result != "" && u.Result != "success")
	}
	return strings.HasPrefix(u.Sub, "auto-restart")
}

// endedFault is the release's own: its program exits.
func endedFault(s *Scope, slot v1.Slot) *providers.Fault { return endedAs(s, howEnded(s.unit(slot))) }

func endedAs(s *Scope, how string) *providers.Fault {
	return s.fault("Exited", fmt.Sprintf("ended by itself after it was started (%s)", how))
}

// howEnded is the last exit; of a unit that runs again systemd does not tell it.
func howEnded(u *providers.UnitFacts) string {
	if u.Running() && u.Restarts > 0 {
		return fmt.Sprintf("systemd restarted it %d times", u.Restarts)
	}
	return exitOf(lastExitOf(u))
}

// lastExitOf is what the unit itself still says of it.
func lastExitOf(u *providers.UnitFacts) providers.Exit {
	return providers.Exit{Result: u.Result, Status: u.ExitStatus, Signal: u.Signal}
}

// takenFault is not the release's own: whoever holds the port has to go.
func takenFault(s *Scope) error {
	who := s.Facts.Primary.Probe.Answer
	if s.Facts.Holder != "" {
		who = fmt.Sprintf("port %d is held by %s", s.Target.port(), s.Facts.Holder)
	}
	return &providers.Fault{
		Reason: portTaken,
		Message: fmt.Sprintf("%s cannot listen on %d: %s; stop that program, or change http.internalPort",
			s.Target.Instance.Revision, s.Target.port(), who),
	}
}

// exitOf says how a process ended.
func exitOf(e providers.Exit) string {
	switch {
	case e.Signal != "":
		return "signal " + e.Signal
	case e.Status != 0:
		return fmt.Sprintf("exit status %d", e.Status)
	case e.Result != "" && e.Result != "success":
		return "result " + e.Result
	case e.Result == "success":
		return "exit status 0"
	}
	return "no exit status known"
}

// exitSeen is how a process of the slot ended last, as far as anybody knows; the zero Exit
// when none did since we started it.
func exitSeen(ctx context.Context, s *Scope, slot v1.Slot) providers.Exit {
	seen, err := s.host.Units.LastExit(ctx, s.Name, slot)
	if err == nil && !seen.At.Before(s.mind(slot).startAt.Truncate(time.Second)) {
		return seen
	}
	return lastExitOf(s.unit(slot))
}

// gatherEvidence is what was seen of an instance that failed by its own fault.
func gatherEvidence(ctx context.Context, s *Scope, slot v1.Slot, lines int) *v1.Evidence {
	exit, probe := exitSeen(ctx, s, slot), s.Facts.of(slot).Probe
	e := &v1.Evidence{Signal: exit.Signal, ProbeURL: probe.URL, ProbeAnswer: probe.Answer}
	if exit.Status != 0 {
		e.ExitStatus = &exit.Status
	}
	since := s.mind(slot).startAt.Truncate(time.Second) // the journal's own times are a little later
	log, err := s.host.Units.Journal(ctx, s.Name, slot, providers.JournalOptions{Lines: lines, Since: since})
	if err != nil {
		s.memory.doubts(err)
		log = []string{"the journal could not be read: " + err.Error()}
	}
	e.Log = redacted(log, s.Facts.Secret.Content)
	return e
}

// saysPortTaken looks for the words with which programs say that their port is in use.
func saysPortTaken(log []string) bool {
	for _, line := range log {
		line = strings.ToLower(line)
		if strings.Contains(line, "address already in use") || strings.Contains(line, "eaddrinuse") {
			return true
		}
	}
	return false
}

// redacted takes the values of the secrets file out of what a program wrote: a status is
// for more eyes than a journal.
func redacted(lines []string, secrets []byte) []string {
	const shortest = 4 // shorter values are words, not secrets
	var pairs []string
	for line := range strings.Lines(string(secrets)) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if value = strings.Trim(value, `"'`); len(value) >= shortest {
			pairs = append(pairs, value, "[redacted]")
		}
	}
	if len(pairs) == 0 {
		return lines
	}
	hide := strings.NewReplacer(pairs...)
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = hide.Replace(line)
	}
	return out
}
