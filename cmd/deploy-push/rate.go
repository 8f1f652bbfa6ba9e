package main

import (
	"time"

	"deployer/providers"
)

// window is over which time a rate is taken: short enough to follow a change of the line,
// long enough to stand still otherwise.
const window = 5 * time.Second

// rate is how fast an upload has been in the last seconds.
type rate struct {
	samples []rateSample
}

type rateSample struct {
	at         time.Time
	sent, done int64
}

func (r *rate) add(now time.Time, p providers.PublishProgress) {
	r.samples = append(r.samples, rateSample{at: now, sent: p.Sent, done: p.SizeDone})
	for len(r.samples) > 2 && now.Sub(r.samples[1].at) >= window {
		r.samples = r.samples[1:]
	}
}

// perSecond is in bytes: compressed ones that were sent, and of the size that is done. Zero
// while there is nothing to tell yet.
func (r *rate) perSecond() (sent, done float64) {
	if len(r.samples) < 2 {
		return 0, 0
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds < 0.5 {
		return 0, 0
	}
	return max(0, float64(last.sent-first.sent)/seconds), max(0, float64(last.done-first.done)/seconds)
}
