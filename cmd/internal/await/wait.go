package await

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/controllers/fleet"
	"deployer/controllers/manifest"
	"deployer/providers"
)

// Options of a wait. Objects, Repository and Out are required.
type Options struct {
	Objects    providers.Objects
	Repository *manifest.Repository
	// Service to wait for; empty is all of them.
	Service string
	// Out gets lines, or the live table when it is a terminal.
	Out io.Writer
	// Timeout bounds the wait.
	Timeout time.Duration
	// Every is the time between two looks, Patience how long a host may stay silent.
	Every, Patience time.Duration
	Now             func() time.Time
}

// DefaultTimeout is that of --timeout: a large closure on a slow line takes its time.
const DefaultTimeout = 10 * time.Minute

// Flags are --wait and --timeout of a command.
type Flags struct {
	wait    bool
	timeout time.Duration
	command *cobra.Command
}

// Add adds them.
func (f *Flags) Add(c *cobra.Command, usage string) {
	f.command = c
	c.Flags().BoolVar(&f.wait, "wait", false, usage)
	c.Flags().DurationVar(&f.timeout, "timeout", DefaultTimeout, "how long --wait waits")
}

// Wanted reports whether to wait: as it was said, and else on a terminal.
func (f *Flags) Wanted(out io.Writer) bool {
	if f.command.Flags().Changed("wait") {
		return f.wait
	}
	return cli.IsTerminal(out)
}

// Said reports whether --wait was given.
func (f *Flags) Said() bool { return f.wait }

// Timeout is that of --timeout.
func (f *Flags) Timeout() time.Duration { return f.timeout }

func (o Options) defaults() Options {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Every == 0 {
		o.Every = 500 * time.Millisecond
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// wait is one wait.
type wait struct {
	Options
	fleet  *Fleet
	screen screen
	began  time.Time
	// revision that this is about, when there is one service.
	revision string
	// silent is since when each row is unknown, by service and host.
	silent map[string]time.Time
	// trouble is why the store could not be read, and was told.
	trouble string
}

// Wait ends when every host that the manifest names has a verdict on the present
// generation, or when the time is up. The error has the exit code, and says in a sentence
// what is not as wanted; what there is to see of a failure is on Out by then.
func Wait(ctx context.Context, o Options) error {
	o = o.defaults()
	ctx, stop := context.WithTimeout(ctx, o.Timeout)
	defer stop()
	w := &wait{Options: o, fleet: NewFleet(o), began: o.Now(), silent: map[string]time.Time{}}
	w.screen = newScreen(o.Out, w.began)
	var last fleet.View
	for {
		v, err := w.fleet.Look(ctx)
		switch {
		case err == nil:
			last, w.trouble = v, ""
			w.screen.show(v)
		case ctx.Err() != nil:
		case cli.CodeOf(err) == cli.ExitUsage || errors.Is(err, providers.ErrNotFound):
			return err
		default:
			w.tell(err)
		}
		if err == nil {
			if ended, result := w.ended(v); ended {
				return result
			}
		}
		select {
		case <-ctx.Done():
			return w.timeUp(ctx, last)
		case <-time.After(o.Every):
		}
	}
}

// tell says once that the store does not answer; the hosts go on meanwhile.
func (w *wait) tell(err error) {
	if text := err.Error(); text != w.trouble {
		w.trouble = text
		w.screen.line("still waiting: " + text)
	}
}

// ended reports whether every row has a verdict, and what that makes of the whole.
func (w *wait) ended(v fleet.View) (bool, error) {
	if w.Service != "" {
		if wanted := w.fleet.wanted(); w.revision == "" {
			w.revision = wanted
		} else if wanted != w.revision {
			m := w.fleet.last.Manifest
			w.screen.end(v)
			return true, cli.Exit(cli.ExitUnknown, fmt.Errorf("%s: release %s was superseded by generation %d of %s before every host had a verdict on it",
				w.Service, w.revision, m.Generation, or(m.UpdatedBy, "somebody")))
		}
	}
	for _, r := range v.Services {
		if !w.decided(r) {
			return false, nil
		}
	}
	w.screen.end(v)
	return true, w.result(v)
}

// decided: there is a verdict, or its host has been silent for so long that none will come.
func (w *wait) decided(r fleet.Row) bool {
	key := r.Service + " " + r.Host
	if r.Outcome != fleet.Unknown {
		delete(w.silent, key)
		return r.Outcome.Decided()
	}
	now := w.Now()
	if _, known := w.silent[key]; !known {
		w.silent[key] = now
	}
	return now.Sub(w.silent[key]) >= w.Patience
}

// result is the error that a finished wait ends with, and shows what failed.
func (w *wait) result(v fleet.View) error {
	for _, r := range v.Services {
		if r.Outcome == fleet.Failed {
			printFailure(w.Out, r)
		}
	}
	code := Code(v.Worst())
	if code == cli.ExitOK {
		return nil
	}
	return cli.Exit(code, errors.New(summary(v)))
}

// timeUp is for the end of the patience, or of the person's.
func (w *wait) timeUp(ctx context.Context, v fleet.View) error {
	w.screen.end(v)
	if errors.Is(ctx.Err(), context.Canceled) {
		return cli.Exit(cli.ExitDifferent, errors.New("interrupted: the hosts go on without you; `deploy-manifest status` shows how far they are"))
	}
	if v.Generation == 0 {
		return cli.Exit(cli.ExitUnknown, fmt.Errorf("no word of the fleet within %s: %s", w.Timeout, or(w.trouble, "the store did not answer")))
	}
	if v.Worst() == fleet.Failed {
		return w.result(v)
	}
	return cli.Exit(max(Code(v.Worst()), cli.ExitUnknown), fmt.Errorf("no verdict after %s: %s", w.Timeout, summary(v)))
}

// summary names what is not as wanted, the worst first.
func summary(v fleet.View) string {
	var parts []string
	for _, outcome := range []fleet.Outcome{fleet.Failed, fleet.Unknown, fleet.Going} {
		for _, r := range v.Services {
			if r.Outcome == outcome {
				parts = append(parts, fmt.Sprintf("%s on %s: %s", r.Service, r.Host, or(r.Reason, string(r.State))))
			}
		}
	}
	const most = 6
	if len(parts) > most {
		parts = append(slices.Clip(parts[:most]), fmt.Sprintf("and %d more", len(parts)-most))
	}
	return strings.Join(parts, "; ") + " (`deploy-manifest status` shows all)"
}
