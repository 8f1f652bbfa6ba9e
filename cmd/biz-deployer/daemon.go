package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/control"
	"deployer/cmd/internal/host"
	"deployer/cmd/internal/hostconfig"
	"deployer/controllers"
	"deployer/controllers/manifest"
	"deployer/controllers/sweep"
	"deployer/controllers/verify"
)

type runOptions struct {
	config    string
	once      bool
	verbosity int
}

// run is the whole life of the daemon.
func run(ctx context.Context, o runOptions) error {
	if os.Geteuid() != 0 {
		return errors.New("biz-deployer must be root: it writes systemd units and GC roots; use sudo, or `systemctl start biz-deployer`")
	}
	config, err := hostconfig.Load(o.config)
	if err != nil {
		return cli.Exit(cli.ExitUsage, err)
	}
	log := newLogger(o.verbosity)
	ctx = logr.NewContext(ctx, log)
	h, err := host.Open(ctx, config, host.Options{Writer: true})
	if err != nil {
		return err
	}
	defer h.Close()

	messengers, err := config.Notify.Messengers()
	if err != nil {
		return cli.Exit(cli.ExitUsage, err)
	}
	m := newMetrics()
	set := controllers.New(controllers.Options{
		Host: h.Host, HostName: h.Name, Repository: h.Repository, Version: cli.Version,
		Objects: h.Objects, Silent: !config.Report, Messengers: messengers,
		Workers: config.Workers, FullPass: time.Duration(config.FullPass), Pace: pace(config), Sweep: patience(config), Verify: verification(config),
		Watchers: h.Watchers, Metrics: m, OnStep: m.stepDone, Logger: log,
	})
	m.watch(set)
	if err := set.Load(ctx); err != nil {
		log.Error(err, "going on without the last manifest")
	}
	if o.once {
		return once(ctx, set)
	}
	log.Info("starting", "name", h.Name, "path", h.Location.String())
	return serve(ctx, h, set, m)
}

func pace(c hostconfig.Config) manifest.Pace {
	p := manifest.DefaultPace()
	p.Min, p.Max = time.Duration(c.Poll.Min), time.Duration(c.Poll.Max)
	return p
}

// patience of the sweep: the first look comes soon after the start, for a daemon that is
// restarted every day is to sweep, too.
func patience(c hostconfig.Config) sweep.Times {
	every := time.Duration(c.Sweep.Every)
	return sweep.Times{After: min(sweep.DefaultTimes().After, every), Every: every, Grace: time.Duration(c.Sweep.Grace)}
}

func verification(c hostconfig.Config) verify.Times {
	t := verify.DefaultTimes()
	t.Every = time.Duration(c.Verify.Every)
	return t
}

// serve runs the controllers, the control socket and the watchdog until ctx ends.
func serve(ctx context.Context, h *host.Handle, set *controllers.Set, m *metrics) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &control.Server{Set: set, States: h.States, Metrics: m.handler()}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(groupCtx, control.Socket) })
	group.Go(func() error { defer stop(); return set.Run(groupCtx) })
	group.Go(func() error { lookOnHangup(groupCtx, set); return nil })
	group.Go(func() error { feedWatchdog(groupCtx, set); return nil })
	if listen := h.Config.Metrics.Listen; listen != "" {
		group.Go(func() error { return serveMetrics(groupCtx, listen, m.handler()) })
	}
	notify(ctx, daemon.SdNotifyReady)
	context.AfterFunc(groupCtx, func() { notify(ctx, daemon.SdNotifyStopping) })
	return group.Wait()
}

// serveMetrics answers Prometheus on a loopback port.
func serveMetrics(ctx context.Context, listen string, metrics http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("GET "+control.PathMetrics, metrics)
	server := &http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics on %s: %w", listen, err)
	}
	return nil
}

// lookOnHangup looks at the manifest at each SIGHUP: systemctl reload biz-deployer.
func lookOnHangup(ctx context.Context, set *controllers.Set) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			// What is wrong with the store is in status, and was logged.
			_ = set.Sync(ctx)
		}
	}
}

// feedWatchdog tells systemd that the daemon lives, as long as its state can be read.
func feedWatchdog(ctx context.Context, set *controllers.Set) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval / 3):
			state := set.Board.Snapshot()
			notify(ctx, daemon.SdNotifyWatchdog+fmt.Sprintf("\nSTATUS=generation %d, %d services", state.ObservedGeneration, len(state.Services)))
		}
	}
}

func notify(ctx context.Context, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "telling systemd")
	}
}

// onceTimeout bounds --once: a release that never gets well would keep it for ever.
const onceTimeout = 15 * time.Minute

// once brings everything into order and ends.
func once(ctx context.Context, set *controllers.Set) error {
	ctx, cancel := context.WithTimeout(ctx, onceTimeout)
	defer cancel()
	err := set.Once(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return cli.Exit(cli.ExitDifferent, fmt.Errorf("not everything is settled after %s: %w", onceTimeout, err))
	case err != nil:
		return cli.Exit(cli.ExitFailed, err)
	}
	return nil
}
