package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	v1 "deployer/api/v1"
	"deployer/test/closure"
)

const (
	latencyRounds = 25
	latencyName   = "web"
	latencyPort   = 8080
)

func latency(ctx context.Context) error { return onHost(ctx, "latency", hostOptions{daemon: true}) }

// latencyInside changes the release of one service again and again: to releases that this
// host never ran (their closures are in its store), and back and forth between two that it
// did. Beside it: what systemctl restart of the same program takes to its first answer,
// through the same Caddy.
func latencyInside(ctx context.Context) error {
	d, err := openDaemon(ctx)
	if err != nil {
		return err
	}
	var paths []string
	for i := range latencyRounds + 2 {
		path, err := closure.Build(ctx, closure.Local{}, closure.Spec{Name: latencyName, Release: fmt.Sprintf("r%d", i)})
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	r := &rounds{daemon: d, paths: paths}
	if err := r.begin(ctx); err != nil {
		return err
	}
	before, err := d.steps(ctx)
	if err != nil {
		return err
	}
	var fresh, known, restarts samples
	for i := range latencyRounds {
		if err := r.deploy(ctx, i+2, &fresh); err != nil {
			return err
		}
	}
	after, err := d.steps(ctx)
	if err != nil {
		return err
	}
	for i := range latencyRounds {
		if err := r.deploy(ctx, latencyRounds+i%2, &known); err != nil {
			return err
		}
	}
	for range latencyRounds {
		if err := r.restart(ctx, &restarts); err != nil {
			return err
		}
	}
	fmt.Println("From the end of the manifest's write to the first answer of the new release through Caddy; strategy replace.")
	table{unit: "ms", baseline: 2, rows: []row{
		{"a release new to this host, closure in its store", fresh, 150, "root, stage, install, start, health, shift"},
		{"back to a release that is staged", known, 150, ""},
		{"systemctl restart of the same program", restarts, 0, "no judgement, no root, no record"},
	}}.show(os.Stdout)
	printSteps(before, after, latencyRounds)
	return nil
}

// rounds deploys releases of one service and watches its answers.
type rounds struct {
	daemon *daemon
	paths  []string
	asker  *asker
	// strategy is webService's when empty.
	strategy string
}

func (r *rounds) service(i int) v1.Service {
	s := webService(latencyName, r.paths[i], latencyPort)
	if r.strategy != "" {
		s.Deploy.Strategy = r.strategy
	}
	return s
}

// begin deploys two releases, so that route, unit and caches are as on a host in use.
func (r *rounds) begin(ctx context.Context) (err error) {
	for i := range 2 {
		if err := r.daemon.write(ctx, r.service(i)); err != nil {
			return err
		}
		if err := r.daemon.sync(ctx); err != nil {
			return err
		}
		if err := r.daemon.settled(ctx, r.service(i)); err != nil {
			return err
		}
	}
	r.asker, err = newAsker(latencyName + ".example.com")
	return err
}

// deploy writes one release into the manifest and waits for its answer, and then until it
// has soaked, so that each round starts from rest.
func (r *rounds) deploy(ctx context.Context, i int, into *samples) error {
	if err := r.daemon.write(ctx, r.service(i)); err != nil {
		return err
	}
	began := time.Now()
	synced := make(chan error, 1)
	go func() { synced <- r.daemon.sync(ctx) }()
	release := fmt.Sprintf("r%d", i)
	if err := r.asker.until(ctx, func(a answer) bool { return a.Release == release }); err != nil {
		return err
	}
	into.add(time.Since(began))
	if err := <-synced; err != nil {
		return err
	}
	return r.daemon.settled(ctx, r.service(i))
}

// restart is what a person with root rights would do.
func (r *rounds) restart(ctx context.Context, into *samples) error {
	var before answer
	if err := r.asker.until(ctx, func(a answer) bool { before = a; return true }); err != nil {
		return err
	}
	began := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- exec.CommandContext(ctx, "systemctl", "restart", latencyName).Run() }()
	if err := r.asker.until(ctx, func(a answer) bool { return a.PID != before.PID }); err != nil {
		return err
	}
	into.add(time.Since(began))
	if err := <-ended; err != nil {
		return fmt.Errorf("restarting: %w", err)
	}
	// The daemon is to be at rest again, and systemd's own start limit far.
	return pause(ctx, 300*time.Millisecond)
}
