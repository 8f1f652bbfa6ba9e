package service

import (
	"fmt"
	"strings"

	"deployer/providers"
)

// portTaken is the prober's word for a stranger on the port.
const portTaken = "PortTaken"

// ended reports whether the instance, which has not soaked, ended by itself since it was
// started. systemd may have started it again since: that makes it no better release.
func (s *Scope) ended() bool {
	u := s.primary()
	return !s.soaked(s.instance()) && (u.Restarts > 0 || strings.HasPrefix(u.Sub, "auto-restart"))
}

// endedFault is the release's own: its program exits.
func endedFault(s *Scope) error {
	return &providers.Fault{
		Reason: "Exited", Own: true,
		Message: fmt.Sprintf("%s ended by itself after it was started (%s); look at `deployerctl logs %s`, and push a fix or roll back",
			s.Target.Instance.Revision, howEnded(s.primary()), s.Name),
	}
}

// howEnded is the last exit; of a unit that runs again systemd does not tell it.
func howEnded(u providers.UnitFacts) string {
	if u.Running() && u.Restarts > 0 {
		return fmt.Sprintf("systemd restarted it %d times", u.Restarts)
	}
	return exitOf(u)
}

// takenFault is not the release's own: whoever holds the port has to go.
func takenFault(s *Scope) error {
	return &providers.Fault{
		Reason: portTaken,
		Message: fmt.Sprintf("%s cannot listen on %d: %s; stop that program, or change http.internalPort",
			s.Target.Instance.Revision, s.Target.port(), s.Facts.Probe.Answer),
	}
}

// exitOf says how a unit's process ended.
func exitOf(u providers.UnitFacts) string {
	switch {
	case u.Signal != "":
		return "signal " + u.Signal
	case u.ExitStatus != 0:
		return fmt.Sprintf("exit status %d", u.ExitStatus)
	case u.Result != "" && u.Result != "success":
		return "result " + u.Result
	case u.Result == "success":
		return "exit status 0"
	}
	return "no exit status known"
}
