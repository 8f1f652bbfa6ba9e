package reconcile

import "time"

// Backoff says how long a name waits after failed passes. The zero Backoff stands
// for DefaultBackoff.
type Backoff struct {
	// Base is the pause after the first failure; each further one doubles it.
	Base time.Duration
	// Max bounds the pause, before jitter.
	Max time.Duration
	// Jitter spreads each pause evenly over ± this share of it (0.2 is ±20 %), so that
	// names that failed together, on one host or on many, do not come back together.
	Jitter float64
}

// DefaultBackoff is 1 s, 2 s, 4 s … 5 min, each ±20 %.
func DefaultBackoff() Backoff {
	return Backoff{Base: time.Second, Max: 5 * time.Minute, Jitter: 0.2}
}

// Delay gives the pause after the n-th failure in a row, counted from 1. random is
// in [0, 1) and chooses the place within the jitter.
func (b Backoff) Delay(n int, random float64) time.Duration {
	d := b.Base
	// Doubling step by step ends at Max, so a large n cannot overflow.
	for i := 1; i < n && d < b.Max; i++ {
		d *= 2
	}
	return jitter(min(d, b.Max), b.Jitter, random)
}

// jitter moves d by up to ± share of it.
func jitter(d time.Duration, share, random float64) time.Duration {
	return time.Duration(float64(d) * (1 + share*(2*random-1)))
}
