package tell

import (
	"fmt"
	"time"
)

const (
	day = 24 * time.Hour
	// minute is how a moment is written.
	minute = "2006-01-02 15:04 UTC"
)

// Span is a duration in at most two units: 350 ms, 12 s, 3 min, 1 h 58 min, 4 d 3 h.
func Span(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		return twoUnits(d, time.Hour, "h", time.Minute, "min")
	}
	return twoUnits(d, day, "d", time.Hour, "h")
}

func twoUnits(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := fmt.Sprintf("%d %s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf(" %d %s", rest, smallName)
	}
	return text
}

// Ago says how long before now t was; what is still to come is "just now".
func Ago(t, now time.Time) string {
	if d := now.Sub(t); d >= time.Second {
		return Span(d) + " ago"
	}
	return "just now"
}

// Away is "in 1 h 58 min" or "3 min ago". What is to come is rounded up: two hours that began
// a moment ago are still two hours.
func Away(t, now time.Time) string {
	d := t.Sub(now)
	if d <= 0 {
		return Ago(t, now)
	}
	step := time.Second
	if d > time.Minute {
		step = time.Minute
	}
	return "in " + Span((d + step - 1).Truncate(step))
}

// When is a moment for people, with how far away it is: 2026-11-26 00:10 UTC (in 1 h 58 min).
func When(t, now time.Time) string {
	return t.UTC().Format(minute) + " (" + Away(t, now) + ")"
}

// clock is a moment of a story, UTC: the time of the day, with the date on another one.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05Z")
	}
	return t.Format("2006-01-02 15:04:05Z")
}
