package reconcile

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// queue is client-go's workqueue, which keeps one place per name and never gives a
// name to two workers, with the delays of our own in front of it. (client-go's
// delaying queue cannot take a delay back, so a name that is enqueued early would
// run again when its old delay ends.)
type queue struct {
	work workqueue.TypedInterface[string]
	line *line

	mu sync.Mutex
	// retries are the delays that passes asked for, by RequeueAfter or by failing.
	retries map[string]*time.Timer
	// wishes are the delays that others asked for, by EnqueueAfter.
	wishes map[string]wish
}

// wish is a timer and when it rings, so that an earlier one can replace it.
type wish struct {
	timer *time.Timer
	at    time.Time
}

func newQueue() *queue {
	l := &line{}
	return &queue{
		work:    workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[string]{Queue: l}),
		line:    l,
		retries: map[string]*time.Timer{},
		wishes:  map[string]wish{},
	}
}

// add puts name in line, unless it stands there. If a pass of it runs, it gets in
// line when that has ended.
func (q *queue) add(name string) { q.work.Add(name) }

// get waits for a name and takes it; ok is false when the queue was stopped and is
// empty. The caller must call done. What the last pass asked for is void: the pass
// that starts now will decide anew.
func (q *queue) get() (name string, ok bool) {
	name, shutdown := q.work.Get()
	if shutdown {
		return "", false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if timer := q.retries[name]; timer != nil {
		timer.Stop()
		delete(q.retries, name)
	}
	return name, true
}

// done says that the pass of name has ended.
func (q *queue) done(name string) { q.work.Done(name) }

// retry gets name in line after d. It is called during the pass of name, that is
// between get and done, so there is no older retry to replace.
func (q *queue) retry(name string, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retries[name] = time.AfterFunc(d, func() { q.add(name) })
}

// wish gets name in line after d or earlier.
func (q *queue) wish(name string, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := time.Now().Add(d)
	if old, found := q.wishes[name]; found {
		if !at.Before(old.at) {
			return
		}
		old.timer.Stop()
	}
	q.wishes[name] = wish{at: at, timer: time.AfterFunc(d, func() { q.grant(name, at) })}
}

// grant ends a wish whose time has come. A wish that was replaced while its timer
// rang is left to the newer timer, which cannot be later.
func (q *queue) grant(name string, at time.Time) {
	q.mu.Lock()
	current, found := q.wishes[name]
	if found && current.at.Equal(at) {
		delete(q.wishes, name)
	}
	q.mu.Unlock()
	q.add(name)
}

// stop takes no more names, also none whose delay ends later, and lets get return.
func (q *queue) stop() { q.work.ShutDown() }

// line holds the names that wait for a worker, first in, first out, and since when.
// The workqueue calls it under its own lock; ours is for depth.
type line struct {
	mu    sync.Mutex
	names []waiting
}

type waiting struct {
	name  string
	since time.Time
}

var _ workqueue.Queue[string] = (*line)(nil)

// Touch does nothing: a name that is enqueued again keeps its place.
func (l *line) Touch(string) {}

// Push lets name wait behind the others.
func (l *line) Push(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names = append(l.names, waiting{name, time.Now()})
}

// Pop takes the name that has waited longest. The workqueue calls it only if there
// is one.
func (l *line) Pop() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := l.names[0].name
	l.names = l.names[1:]
	return name
}

// Len counts the names that wait.
func (l *line) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.names)
}

// depth counts the names that wait and says how long the first has waited.
func (l *line) depth() (int, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.names) == 0 {
		return 0, 0
	}
	return len(l.names), time.Since(l.names[0].since)
}
