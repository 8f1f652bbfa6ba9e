package manifest

import (
	"math/rand/v2"
	"time"

	"deployer/providers"
)

// Pace says how often a host looks at the manifest.
type Pace struct {
	// Min is the interval after a change, and for Eager after it; it then grows to Max.
	Min, Max, Eager time.Duration
	// Jitter is the share by which each interval varies, so that hosts do not meet.
	Jitter float64
}

// DefaultPace is every 2 s for 10 min after a change, growing to 15 s, ±20 %.
func DefaultPace() Pace {
	return Pace{Min: 2 * time.Second, Max: 15 * time.Second, Eager: 10 * time.Minute, Jitter: 0.2}
}

// growth is the factor by which the interval grows once the eager time is over.
const growth = 1.5

// pacer remembers what the next interval depends on.
type pacer struct {
	last       time.Duration
	eagerUntil time.Time
}

// longestPatience bounds what a store may ask for: a day's Retry-After would leave a host
// blind for a day.
const longestPatience = 5 * time.Minute

// next is how long to wait after a look that changed so many names. A store that asks for patience gets it.
func (p *pacer) next(pace Pace, changes int, err error, now time.Time) time.Duration {
	if changes > 0 || p.last == 0 {
		p.last, p.eagerUntil = pace.Min, now.Add(pace.Eager)
	}
	if err != nil || now.After(p.eagerUntil) {
		p.last = min(time.Duration(float64(p.last)*growth), pace.Max)
	} else {
		p.last = pace.Min
	}
	wait := float64(p.last) * (1 + pace.Jitter*(2*rand.Float64()-1))
	return max(time.Duration(wait), min(providers.RetryAfterOf(err), longestPatience))
}
