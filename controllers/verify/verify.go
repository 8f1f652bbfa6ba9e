// Package verify finds store paths that were altered on the disk, which nothing else sees:
// Nix believes its database, and a look at each file's content costs too much for a pass.
//
//	Run, once a day, slowly:  closures in force ─► Verify ─► altered ones ─► Repair ─► condition, events
//
// It needs no turn of a service: a repair puts back the same bytes, and starts nothing.
package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// The reasons of the condition v1.StoreVerified, and of the events.
const (
	// Verified: everything is as it was registered.
	Verified = "Verified"
	// Repaired: something was not, and is again.
	Repaired = "StorePathRepaired"
	// Altered: something is not, and could not be repaired.
	Altered = "StorePathAltered"
	// Unread: something could not be read.
	Unread = "StoreUnread"
)

// Options of a Verifier. Closures, InForce, Tell and Record are required.
type Options struct {
	Closures providers.Closures
	// InForce gives the store paths whose closures matter.
	InForce func() []string
	// Tell takes the condition of the host, Record each event.
	Tell   func(v1.Condition)
	Record func(context.Context, v1.Event)
	Times  Times
	Now    func() time.Time
}

// Times are the pace of a Verifier.
type Times struct {
	// Every is the time between two looks; 0 is never.
	Every time.Duration
	// After is the time from the start to the first look, Retry that to the next one after
	// a look that left something altered or unread; neither is longer than Every.
	After, Retry time.Duration
	// BytesPerSecond is how fast files are read.
	BytesPerSecond int64
}

// DefaultTimes read a gigabyte in about a minute, which disks of today hardly notice.
func DefaultTimes() Times {
	return Times{Every: 24 * time.Hour, After: time.Hour, Retry: time.Hour, BytesPerSecond: 16 << 20}
}

// Verifier looks now and then.
type Verifier struct{ o Options }

// New makes a Verifier.
func New(o Options) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Verifier{o: o}
}

// Run looks until ctx ends.
func (v *Verifier) Run(ctx context.Context) {
	t := v.o.Times
	if t.Every <= 0 {
		return
	}
	wait := min(t.After, t.Every)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		wait = t.Every
		if !v.Look(ctx) {
			wait = min(t.Retry, t.Every)
		}
	}
}

// Look verifies once, repairs what was altered, and reports whether all is as it should be.
func (v *Verifier) Look(ctx context.Context) bool {
	paths := v.o.InForce()
	slices.Sort(paths)
	began := v.o.Now()
	seen, err := v.o.Closures.Verify(ctx, providers.VerifyRequest{StorePaths: slices.Compact(paths), BytesPerSecond: v.o.Times.BytesPerSecond})
	if ctx.Err() != nil {
		return false
	}
	var repaired, left []string
	for _, a := range seen.Altered {
		if why := v.repair(ctx, a); why == "" {
			repaired = append(repaired, a.StorePath)
		} else {
			left = append(left, why)
		}
	}
	if ctx.Err() != nil {
		return false // a repair that was cut off says nothing of the path
	}
	c := v1.Condition{Type: v1.StoreVerified, Status: v1.True, Reason: Verified, LastTransitionTime: v.o.Now().UTC()}
	switch {
	case len(left) > 0:
		c.Status, c.Reason, c.Message = v1.False, Altered, strings.Join(left, "; ")
	case err != nil:
		c.Status, c.Reason, c.Message = v1.Unknown, Unread, "not all of the store could be verified: "+err.Error()
	case len(repaired) > 0:
		c.Reason, c.Message = Repaired, repairedText(strings.Join(repaired, ", "))
	default:
		c.Message = fmt.Sprintf("%d store paths are as they were registered", seen.Paths)
	}
	logr.FromContextOrDiscard(ctx).V(1).Info("store verified", "reason", c.Reason, "duration", v.o.Now().Sub(began), "message", c.Message)
	v.o.Tell(c)
	return c.Status == v1.True
}

// repair says why a path could not be repaired; empty when it was.
func (v *Verifier) repair(ctx context.Context, a providers.Altered) (why string) {
	err := v.o.Closures.Repair(ctx, a.StorePath)
	switch {
	case ctx.Err() != nil:
		return ctx.Err().Error()
	case err != nil:
		why = fmt.Sprintf("store path %s was altered on this host (%s) and could not be repaired: %v", a.StorePath, a.What, err)
		v.o.Record(ctx, v1.Event{Type: v1.EventWarning, Reason: Altered, Message: why})
		return why
	}
	v.o.Record(ctx, v1.Event{Type: v1.EventWarning, Reason: Repaired, Message: repairedText(a.StorePath) + " (" + a.What + ")"})
	return ""
}

func repairedText(paths string) string {
	return "store path " + paths + " was altered on this host: repaired from the cache; what has run since before keeps what it had loaded until it is restarted"
}

// InForce are the store paths of what a host wants, and of what serves there meanwhile.
func InForce(state v1.HostState) []string {
	var paths []string
	for _, s := range state.Services {
		for _, t := range []v1.Target{s.Desired, s.Serving} {
			if t.StorePath != "" {
				paths = append(paths, t.StorePath)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
