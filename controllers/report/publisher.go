package report

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// PublisherOptions of a Publisher. Board and Objects are required.
type PublisherOptions struct {
	Board   *Board
	Objects providers.Objects
	// Settle is how long the first change waits for those that come with it, Pace the least
	// time between two reports, Heartbeat the longest.
	Settle, Pace, Heartbeat time.Duration
	// Retry is the wait after a store that did not answer, Refused that after one that says
	// no: somebody has to change a policy, and asking often changes nothing.
	Retry, Refused time.Duration
	Now            func() time.Time
}

// Publisher keeps this host's report in the store, for people and for the other hosts. No
// host depends on it: one that may not write works as ever, and says so in its status.
type Publisher struct {
	o      PublisherOptions
	lastAt time.Time
	failed string
}

// NewPublisher makes a Publisher.
func NewPublisher(o PublisherOptions) *Publisher {
	defaultTo(&o.Settle, 100*time.Millisecond)
	defaultTo(&o.Pace, time.Second)
	defaultTo(&o.Heartbeat, time.Minute)
	defaultTo(&o.Retry, 15*time.Second)
	defaultTo(&o.Refused, 10*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Publisher{o: o}
}

func defaultTo(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Run reports until ctx ends, and then once more, for the others would take what was under
// way for what goes on.
func (p *Publisher) Run(ctx context.Context) {
	log := logr.FromContextOrDiscard(ctx)
	for p.changed(ctx) {
		err := p.publish(ctx)
		if ctx.Err() != nil {
			break
		}
		p.note(log, err)
		if err == nil {
			continue
		}
		if !sleep(ctx, p.patience(err)) {
			return // the last report would fail like this one
		}
		signal(p.o.Board.toStore)
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
	defer stop()
	if err := p.publish(last); err != nil {
		log.V(1).Info("the last report was not written", "reason", providers.ReasonOf(err), "message", err.Error())
	}
}

// lastWord bounds the last report: a store that is away must not keep the daemon from
// stopping.
const lastWord = 3 * time.Second

// changed waits for a change or for the heartbeat, and for the pace. It is false when ctx
// ended.
func (p *Publisher) changed(ctx context.Context) bool {
	heartbeat := time.NewTimer(max(p.lastAt.Add(p.o.Heartbeat).Sub(p.o.Now()), p.o.Settle))
	defer heartbeat.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-p.o.Board.toStore:
	case <-heartbeat.C:
	}
	if !sleep(ctx, max(p.o.Settle, p.lastAt.Add(p.o.Pace).Sub(p.o.Now()))) {
		return false
	}
	select {
	case <-p.o.Board.toStore:
	default:
	}
	return true
}

// publish writes the report as it is now.
func (p *Publisher) publish(ctx context.Context) error {
	p.lastAt = p.o.Now()
	state := p.o.Board.Snapshot()
	state.UpdatedAt = p.lastAt.UTC()
	data, err := forStore(state)
	if err != nil {
		return err
	}
	_, err = p.o.Objects.Put(ctx, v1.ReportKey(state.Host), bytes.NewReader(data), providers.PutOptions{ContentType: "application/json"})
	return err // it names the key
}

// note tells the board, and the log once per reason.
func (p *Publisher) note(log logr.Logger, err error) {
	reason := providers.ReasonOf(err)
	if err != nil && reason != p.failed {
		log.Info("this host's report is not written to the store; all else goes on", "reason", reason, "message", err.Error())
	}
	if err == nil && p.failed != "" {
		log.Info("this host's report is in the store again")
	}
	p.failed = reason
	p.o.Board.Reported(err)
}

// patience is how long to wait after an error.
func (p *Publisher) patience(err error) time.Duration {
	if refused(err) {
		return p.o.Refused
	}
	return max(p.o.Retry, min(providers.RetryAfterOf(err), p.o.Refused))
}

// refused: the store answered, and the answer does not change by itself. Credentials and a
// bucket that are not there yet may come any moment: the manifest needs them, too.
func refused(err error) bool {
	switch providers.ReasonOf(err) {
	case "AccessDenied", "NotSupported", "KeyClash", "TooLarge":
		return true
	}
	return !errors.Is(err, providers.ErrUnavailable)
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
