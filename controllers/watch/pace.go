package watch

import "time"

const (
	// delay is how long the first event of a name waits for its companions: one edit makes
	// several, and one step of ours a dozen.
	delay = 30 * time.Millisecond
	// echo is how long after a pass an event may still be that pass's own.
	echo = 250 * time.Millisecond
)

// The heat of a name says what its events have cost lately. While it is below free, a pass
// follows each event at once: five healings, or twenty looks for nothing. From there on,
// the gaps between the passes of events are 2 s, 4 s, 8 s, 16 s, 30 s; and a minute
// without events brings it below free again.
const (
	// perHealing is what a pass costs that healed what was at rest before, or failed.
	perHealing = 4
	// perLook is what a pass costs that found nothing, or that went on with what was in
	// motion.
	perLook  = 1
	free     = 20
	hottest  = 39
	firstGap = 2 * time.Second
	longest  = 30 * time.Second
	// cooling is how long a name must be quiet to lose one degree.
	cooling = 3 * time.Second
)

// outcome is how a pass ended; zero when there was none yet.
type outcome int

const (
	// quiet: nothing was done, and nothing is to be waited for.
	quiet outcome = iota + 1
	// healed: something was done, and all is well.
	healed
	// waiting: nothing was done, and something is to be waited for.
	waiting
	// moving: something was done, and more is to come.
	moving
	failed
)

// pace is what is remembered of one name. It knows no clock and no queue: each method is
// told the time, and gives the delay after which a pass is to be asked for, 0 for none.
type pace struct {
	// due is when the pass may begin that was asked for; zero when none was.
	due time.Time
	// next is the earliest time for another one.
	next time.Time

	// running: a pass is under way; heard: an event came meanwhile.
	running, heard bool
	// byEvent: it was asked for by events; own: by such as the pass before may have caused.
	byEvent, own bool

	last  outcome
	ended time.Time
	// excused: a pass failed, and an event that may have been its own was answered once.
	excused bool

	heat       int
	warm       time.Time
	generation int64
}

// event hears of a change.
func (p *pace) event(now time.Time, generation int64) time.Duration {
	p.renew(generation)
	p.cool(now)
	if p.running {
		p.heard = true
		return 0
	}
	return p.request(now, now.Sub(p.ended) <= echo)
}

// request decides about a pass. Events in the echo of a failed pass are most likely its
// own, and the backoff has a time for the next try: one in a row of failures is believed
// all the same, for it may be the very change that was waited for.
func (p *pace) request(now time.Time, inEcho bool) time.Duration { //nolint:revive // a fact, not a mode
	if !p.due.IsZero() {
		return 0 // asked for already
	}
	if inEcho && p.last == failed {
		if p.excused {
			return 0
		}
		p.excused = true
	}
	p.own = inEcho
	p.due = now.Add(delay)
	if p.due.Before(p.next) {
		p.due = p.next
	}
	return p.due.Sub(now)
}

// begin notes a pass, whoever asked for it.
func (p *pace) begin(now time.Time, generation int64) {
	p.running, p.heard = true, false
	p.byEvent = !p.due.IsZero() && !now.Before(p.due)
	if p.byEvent {
		p.due = time.Time{}
	}
	p.renew(generation)
}

// renew begins anew with another generation: who edits the manifest is not the one whom we
// fight. What was asked for may have been put off, so it is asked for again.
func (p *pace) renew(generation int64) {
	if generation != p.generation {
		p.generation, p.heat, p.next, p.due = generation, 0, time.Time{}, time.Time{}
	}
}

// end notes how it ended, and answers what was heard meanwhile.
func (p *pace) end(now time.Time, o outcome) time.Duration {
	if p.byEvent {
		p.heat = min(p.heat+p.cost(o), hottest)
		p.next = now.Add(gap(p.heat))
		p.warm = now
	}
	if o != failed {
		p.excused = false
	}
	p.running, p.last, p.ended = false, o, now
	if p.heard {
		return p.request(now, true)
	}
	return 0
}

// cost is what a pass adds to the heat. The look after a change of ours costs nothing when
// it finds nothing: it was our own echo.
func (p *pace) cost(o outcome) int {
	atRest := p.last == quiet || p.last == healed
	switch {
	case o == failed, atRest && (o == healed || o == moving):
		return perHealing
	case o == quiet && p.own && (p.last == healed || p.last == moving):
		return 0
	}
	return perLook
}

// cool lets the heat go with the time in which there was neither an event nor a pass that
// was asked for by one.
func (p *pace) cool(now time.Time) {
	if p.running || !p.due.IsZero() {
		p.warm = now
		return
	}
	p.heat = max(p.heat-int(now.Sub(p.warm)/cooling), 0)
	if p.heat < free {
		p.next = time.Time{}
	}
	p.warm = now
}

// gap is the time between two passes of events at that heat.
func gap(heat int) time.Duration {
	if heat < free {
		return 0
	}
	return min(firstGap<<((heat-free)/perHealing), longest)
}
