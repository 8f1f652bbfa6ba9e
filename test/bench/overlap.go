package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	v1 "deployer/api/v1"
	"deployer/test/closure"
	"deployer/test/load"
)

const overlapRounds = 20

func overlap(ctx context.Context) error { return onHost(ctx, "overlap", hostOptions{daemon: true}) }

// overlapInside asks one service on 32 connections while it gets twenty releases beside the
// running one, twenty in its place, and twenty bare restarts; and at rest, for what the load
// itself costs on this machine. Every request that fails is counted, and none is asked twice.
func overlapInside(ctx context.Context) error {
	d, err := openDaemon(ctx)
	if err != nil {
		return err
	}
	r := &rounds{daemon: d}
	for i := range overlapRounds + 2 {
		path, err := closure.Build(ctx, closure.Local{}, closure.Spec{Name: latencyName, Release: fmt.Sprintf("r%d", i)})
		if err != nil {
			return err
		}
		r.paths = append(r.paths, path)
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	var live, replaced, restarted samples
	trials := []struct {
		what, strategy string
		into           *samples
		round          func(ctx context.Context, i int) error
	}{
		{what: "at rest", round: func(ctx context.Context, _ int) error { return pause(ctx, time.Second) }},
		{what: "releases, strategy overlap", strategy: v1.StrategyOverlap, into: &live},
		{what: "releases, strategy replace", strategy: v1.StrategyReplace, into: &replaced},
		{what: "systemctl restart", round: func(ctx context.Context, _ int) error { return r.restart(ctx, &restarted) }},
	}
	var reports []load.Report
	for _, t := range trials {
		if t.round == nil {
			r.strategy = t.strategy
			t.round = func(ctx context.Context, i int) error {
				if err := r.daemon.alone(ctx, latencyName); err != nil {
					return err
				}
				return r.deploy(ctx, i, t.into)
			}
		}
		report, err := r.underLoad(ctx, t.round)
		if err != nil {
			return fmt.Errorf("%s: %w", t.what, err)
		}
		reports = append(reports, report)
	}
	fmt.Printf("32 connections to one service, asked every 10 ms, while it gets %d of each:\n", overlapRounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  \trequests\tLOST\tp50\tp99\tmax\tp99/at rest")
	for i, t := range trials {
		all, quick := reports[i].Total(), reports[i].Quick().Latencies
		fmt.Fprintf(w, "  %s\t%d\t%d\t%s ms\t%s ms\t%s ms\t%.3g\n", t.what, all.Requests, all.Failed,
			inMS(quick.Quantile(0.5)), inMS(quick.Quantile(0.99)), inMS(quick.Max),
			float64(quick.Quantile(0.99))/float64(reports[0].Quick().Latencies.Quantile(0.99)))
	}
	w.Flush()
	fmt.Println("From the end of the manifest's write to the first answer of the new release, under the same load.")
	table{unit: "ms", baseline: 2, rows: []row{
		{"strategy overlap", live, 0, "root, stage, start beside, health, shift; then soak, drain and the way to the primary"},
		{"strategy replace", replaced, 0, ""},
		{"systemctl restart of the same program", restarted, 0, "no judgement, no record, and requests lost"},
	}}.show(os.Stdout)
	return nil
}

func inMS(d time.Duration) string { return short(float64(d) / float64(time.Millisecond)) }

// underLoad does the rounds while all connections ask.
func (r *rounds) underLoad(ctx context.Context, round func(ctx context.Context, i int) error) (load.Report, error) {
	ready, ended := make(chan struct{}), make(chan error, 1)
	loadCtx, end := context.WithCancel(ctx)
	defer end()
	var report load.Report
	go func() {
		var err error
		report, err = load.Run(loadCtx, load.Options{
			Targets: []load.Target{{Name: latencyName, Host: latencyName + ".example.com", Mix: load.Short()}},
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:443")
			},
			TLS: r.asker.roots(), Ready: ready,
		})
		ended <- err
	}()
	select {
	case <-ready:
	case err := <-ended:
		return report, err
	case <-time.After(time.Minute):
		return report, fmt.Errorf("the service does not answer every connection")
	}
	for i := range overlapRounds {
		if err := round(ctx, i+2); err != nil {
			return report, err
		}
	}
	end()
	return report, <-ended
}

// roots are what the asker trusts.
func (a *asker) roots() *tls.Config { return a.client.Transport.(*http.Transport).TLSClientConfig }
