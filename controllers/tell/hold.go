package tell

import (
	"fmt"
	"time"

	v1 "deployer/api/v1"
)

// Hold says whose it is, until when, and why:
//
//	ann@biz until 2026-11-26 00:10 UTC (in 1 h 58 min): load test
func Hold(h v1.Hold, now time.Time) string {
	return hold(h, func(t time.Time) string { return When(t, now) })
}

// StoredHold is Hold for what is read later, when it is another time.
func StoredHold(h v1.Hold) string {
	return hold(h, func(t time.Time) string { return t.UTC().Format(minute) })
}

func hold(h v1.Hold, when func(time.Time) string) string {
	text := or(h.Owner, "somebody")
	switch {
	case h.Forever:
		text += ", forever"
	case h.Until != nil:
		text += " until " + when(*h.Until)
	}
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return text
}

// many healings in ten minutes are no accident.
const many = 3

// Healed says how often something was put right, and from a few times on what that means:
//
//	healed 3 times in 10 min, last 20 s ago (unit file): somebody else manages this
func Healed(h v1.Healed, now time.Time) string {
	text := fmt.Sprintf("healed %s in 10 min, last %s", times(h.Count), Ago(h.Last, now))
	if h.What != "" {
		text += " (" + plain(h.What) + ")"
	}
	if h.Count >= many {
		text += ": somebody else manages this"
	}
	return text
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
