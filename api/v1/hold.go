package v1

import "time"

// InForce reports whether the hold counts at that time: it lapses by itself. Nil is no hold.
func (h *Hold) InForce(now time.Time) bool {
	return h != nil && (h.Forever || h.Until != nil && now.Before(*h.Until))
}

// Check lists everything that is wrong with the hold, as an ErrorList.
func (h *Hold) Check() error { return asError(h.validate(nil)) }
