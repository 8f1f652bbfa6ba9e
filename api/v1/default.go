package v1

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Defaults of what people leave out. They are never stored.
const (
	DefaultHealthInterval = 500 * time.Millisecond
	DefaultHealthTimeout  = 5 * time.Second
	DefaultHealthDeadline = 60 * time.Second
	DefaultHealthRise     = 2
	DefaultSoak           = 10 * time.Second
	DefaultDrain          = 30 * time.Second
	DefaultRestart        = "always"
	DefaultRestartSec     = 10 * time.Millisecond
)

// LongestHealthDeadline is what health.deadline may be.
const LongestHealthDeadline = time.Hour

// Default is the effective service: a copy with everything filled in that was left out.
// The original, its maps and its pointers stay as they were. health.path stays empty when
// it was not written: the prober then asks "/" and any status below 500 is well.
// Never take the Release of the result: its revision would follow our defaults.
func (s Service) Default() Service {
	r := s.Release().Default()
	strategy, _ := s.StrategyReason()
	if s.Artifact != nil {
		a := *s.Artifact
		setDefault(&a.Type, ArtifactTypeNixClosure)
		s.Artifact = &a
	}
	if s.HTTP != nil {
		h := *s.HTTP
		setDefault(&h.Path, "/")
		s.HTTP = &h
	}
	health := s.Health.withDefaults()
	s.Health = &health
	s.Deploy.Strategy = strategy
	setDefault(&s.Deploy.Soak, Duration(DefaultSoak))
	setDefault(&s.Deploy.Drain, Duration(DefaultDrain))
	s.Exec, s.Systemd, s.Hardening = r.Exec, r.Systemd, r.Hardening
	return s
}

// withDefaults also works on nil: a service always has a way of being judged.
func (h *Health) withDefaults() Health {
	var out Health
	if h != nil {
		out = *h
	}
	setDefault(&out.Interval, Duration(DefaultHealthInterval))
	setDefault(&out.Timeout, Duration(DefaultHealthTimeout))
	setDefault(&out.Deadline, Duration(DefaultHealthDeadline))
	setDefault(&out.Rise, DefaultHealthRise)
	return out
}

// HealthType is the effective way an instance of the service is judged.
func (s Service) HealthType() HealthType { return s.Release().Default().HealthType }

// StrategyReason is the effective deploy strategy and why it is that one, as half a
// sentence for status and plan.
func (s Service) StrategyReason() (strategy, reason string) {
	switch {
	case s.Deploy.Strategy != "":
		return s.Deploy.Strategy, "deploy.strategy says so"
	case s.HTTP == nil:
		return StrategyReplace, "it has no http"
	case s.Env["PORT"] != strconv.Itoa(s.HTTP.InternalPort):
		return StrategyReplace, fmt.Sprintf("env.PORT is not http.internalPort (%d)", s.HTTP.InternalPort)
	case s.StateDirectory != "":
		return StrategyReplace, "it has a stateDirectory"
	}
	return StrategyOverlap, "it takes its port from PORT and has no stateDirectory"
}

// Default is the effective release: a copy with everything filled in that was left out.
// A host stages it and renders the unit from it. The group stays empty when it was left
// out: systemd then takes the user's. Its revision is not the release's:
// take Revision before.
func (r Release) Default() Release {
	dynamic := r.Exec.User == ""
	if r.Hardening.DynamicUser != nil {
		dynamic = *r.Hardening.DynamicUser
	}
	if len(r.Exec.Command) == 0 {
		r.Exec.Command = Command{"bin/" + r.Service}
	}
	r.Exec.User = r.UserName()
	setDefault(&r.Systemd.Restart, DefaultRestart)
	setDefault(&r.Systemd.RestartSec, Duration(DefaultRestartSec))
	r.Hardening = r.Hardening.withDefaults(dynamic)
	if r.HealthType == "" {
		r.HealthType = HealthNone
		if r.InternalPort != 0 {
			r.HealthType = HealthHTTP
		}
	}
	return r
}

// withDefaults fills in what systemd would show of the loaded unit: a dynamic user brings
// its own minimum, whatever the profile.
func (h Hardening) withDefaults(dynamic bool) Hardening {
	setDefault(&h.Profile, ProfileStandard)
	h.DynamicUser = &dynamic
	sandboxed := h.Profile != ProfileNone
	if h.PrivateTmp == nil {
		private := sandboxed || dynamic
		h.PrivateTmp = &private
	}
	switch {
	case sandboxed:
		setDefault(&h.ProtectSystem, "strict")
		setDefault(&h.ProtectHome, ToggleOn)
	case dynamic:
		setDefault(&h.ProtectSystem, "strict")
		setDefault(&h.ProtectHome, "read-only")
	default:
		setDefault(&h.ProtectSystem, ToggleOff)
		setDefault(&h.ProtectHome, ToggleOff)
	}
	return h
}

// UserName is the user that the release runs as: the one that was written, else the
// service's own (see UserName). Both slots share it.
func (r Release) UserName() string {
	if r.Exec.User != "" {
		return r.Exec.User
	}
	return UserName(r.Service)
}

// UserName is the name of a service's own dynamic user: biz-<service>, or biz-<hash>
// where that would be over the 31 characters that Linux allows.
func UserName(service string) string {
	const prefix, longest, hashed = "biz-", 31, 12
	if len(prefix+service) <= longest {
		return prefix + service
	}
	sum := sha256.Sum256([]byte(service))
	return prefix + strings.ToLower(base32.HexEncoding.EncodeToString(sum[:])[:hashed])
}

// setDefault fills in a value that was left out.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
