// Package notify tells people of what they should not have to look for: a release that was
// rolled back, a service that failed, one that recovered, a host that has gone silent or is
// back. Transitions only, each once; nothing waits for a messenger, and none keeps anything
// from being done.
//
//	states ─► mood ─► has it changed? ─► after a while, still? ─► a queue per messenger
package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// The reasons of notifications.
const (
	RolledBack = "RolledBack"
	Failed     = "Failed"
	Recovered  = "Recovered"
	HostSilent = "HostSilent"
	HostBack   = "HostBack"
)

// Options of a Notifier. Host is required; without Messengers it does nothing.
type Options struct {
	Host       string
	Messengers []providers.Messenger
	// Settle is how long a service must be ill before that is told: what is over by then was
	// nothing to wake somebody up for. A release that was rolled back is told at once.
	Settle time.Duration
	// Pauses between the tries of a message.
	Pauses []time.Duration
	Now    func() time.Time
}

// Message is what messengers take: an event, and the same as one sentence, in the field
// where chats look for it.
type Message struct {
	v1.Event
	Text string `json:"text"`
}

// Notifier remembers what was told.
type Notifier struct {
	o      Options
	queues []chan Message

	mu       sync.Mutex
	told     map[string]mood
	pending  map[string]pending
	dropping bool
}

// pending is an illness that is not told yet.
type pending struct {
	mood mood
	due  time.Time
	msg  Message
}

// queueSize bounds what waits for a messenger that does not answer.
const queueSize = 100

// New makes a Notifier.
func New(o Options) *Notifier {
	if o.Settle == 0 {
		o.Settle = 10 * time.Second
	}
	if o.Pauses == nil {
		o.Pauses = []time.Duration{time.Second, 10 * time.Second, time.Minute, 5 * time.Minute}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	n := &Notifier{o: o, told: map[string]mood{}, pending: map[string]pending{}}
	for range o.Messengers {
		n.queues = append(n.queues, make(chan Message, queueSize))
	}
	return n
}

// Active reports whether there is anybody to tell.
func (n *Notifier) Active() bool { return len(n.o.Messengers) > 0 }

// Remember takes what an earlier daemon reported last for told, so that a restart repeats
// nothing and a recovery is told all the same.
func (n *Notifier) Remember(last v1.HostState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, st := range last.Services {
		if m := moodOf(st); m.ill() && n.o.Now().Sub(st.Since) >= n.o.Settle {
			n.told[st.Name] = m
		}
	}
}

// Service takes the state of a service whenever it was reported.
func (n *Notifier) Service(st v1.ServiceState) {
	if !n.Active() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	now, told := moodOf(st), n.told[st.Name]
	switch {
	case now.kind == "":
		return
	case now.kind == well:
		delete(n.pending, st.Name)
		if told.ill() {
			delete(n.told, st.Name)
			n.send(n.message(st, Recovered, v1.EventNormal))
		}
	case now == told:
		delete(n.pending, st.Name)
	case now.kind == RolledBack:
		delete(n.pending, st.Name)
		n.told[st.Name] = now
		n.send(n.message(st, RolledBack, v1.EventWarning))
	case n.pending[st.Name].mood != now:
		n.pending[st.Name] = pending{mood: now, due: n.o.Now().Add(n.o.Settle), msg: n.message(st, Failed, v1.EventWarning)}
	}
}

// Gone forgets a service that was taken down.
func (n *Notifier) Gone(service string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.told, service)
	delete(n.pending, service)
}

// HostSilent tells of another host that reports no more, HostBack that it does again.
func (n *Notifier) HostSilent(host string, since time.Time) {
	n.ofHost(v1.Event{Host: host, Type: v1.EventWarning, Reason: HostSilent, Message: fmt.Sprintf(
		"%s has not reported since %s: see whether it is on and biz-deployer runs there", host, since.UTC().Format("2006-01-02 15:04 UTC"))})
}

// HostBack is the end of a HostSilent.
func (n *Notifier) HostBack(host string) {
	n.ofHost(v1.Event{Host: host, Type: v1.EventNormal, Reason: HostBack, Message: host + " reports again"})
}

func (n *Notifier) ofHost(e v1.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.APIVersion, e.Kind, e.Time = v1.APIVersion, v1.KindEvent, n.o.Now().UTC()
	n.send(Message{Event: e, Text: e.Message})
}

func (n *Notifier) message(st v1.ServiceState, reason string, kind v1.EventType) Message {
	what := map[string]string{RolledBack: "was rolled back", Failed: "is not well", Recovered: "is as wanted again"}[reason]
	text := fmt.Sprintf("%s on %s %s", st.Name, n.o.Host, what)
	message := st.Message
	if reason == Recovered {
		message = "runs " + st.Serving.Revision
	}
	if message != "" {
		text += ": " + message
	}
	return Message{
		Event: v1.Event{
			APIVersion: v1.APIVersion, Kind: v1.KindEvent, Time: n.o.Now().UTC(), Host: n.o.Host, Service: st.Name,
			Revision: st.Desired.Revision, Generation: st.ObservedGeneration, Type: kind, Reason: reason, Message: message,
		},
		Text: text,
	}
}

// send puts a message into every queue. A full one loses its oldest: what is new matters more.
func (n *Notifier) send(m Message) {
	for _, queue := range n.queues {
		for sent := false; !sent; {
			select {
			case queue <- m:
				sent = true
			default:
				select {
				case <-queue:
					n.dropping = true
				default:
				}
			}
		}
	}
}

// Run delivers until ctx ends.
func (n *Notifier) Run(ctx context.Context) {
	var all sync.WaitGroup
	for i, to := range n.o.Messengers {
		all.Go(func() { n.deliver(ctx, to, n.queues[i]) })
	}
	tick := time.NewTicker(min(n.o.Settle/4+time.Millisecond, time.Second))
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			n.mature(logr.FromContextOrDiscard(ctx))
		}
	}
	all.Wait()
}

// mature tells of what has been ill for long enough.
func (n *Notifier) mature(log logr.Logger) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dropping {
		n.dropping = false
		log.Info("notifications were dropped, for their target does not take them")
	}
	for service, p := range n.pending {
		if n.o.Now().Before(p.due) {
			continue
		}
		delete(n.pending, service)
		n.told[service] = p.mood
		n.send(p.msg)
	}
}

// deliver tries each message a few times, and gives it up then.
func (n *Notifier) deliver(ctx context.Context, to providers.Messenger, queue <-chan Message) {
	log := logr.FromContextOrDiscard(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-queue:
			data, err := json.Marshal(m)
			if err == nil {
				err = n.insist(ctx, to, data)
			}
			if err != nil && ctx.Err() == nil {
				log.Error(err, "giving up a notification", "reason", m.Reason, "service", m.Service)
			}
		}
	}
}

func (n *Notifier) insist(ctx context.Context, to providers.Messenger, data []byte) error {
	err := to.Send(ctx, data)
	for _, pause := range n.o.Pauses {
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		err = to.Send(ctx, data)
	}
	return err
}
