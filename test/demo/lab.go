package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"deployer/test/env"
)

// demo is the stage.
type demo struct {
	out   io.Writer
	began time.Time
	times []taken

	lab              *env.Lab
	laptop, ava, biz *env.Host
	// https reaches Caddy on a host, whatever name is asked for.
	https map[string]*http.Client
	// visitors ask while releases come and go; nil when nobody does.
	visitors *visitors
}

type taken struct {
	title string
	time  time.Duration
}

// hosts are those that serve.
func (d *demo) hosts() []*env.Host { return []*env.Host{d.ava, d.biz} }

func (d *demo) boot(ctx context.Context) error {
	var err error
	if d.lab, err = env.NewLab(ctx, env.LabOptions{}); err != nil {
		return err
	}
	if d.laptop, err = d.lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop}); err != nil {
		return err
	}
	if _, err := d.run(ctx, d.laptop, 0, "deploy-manifest", "keygen", "demo-1"); err != nil {
		return err
	}
	key, err := d.laptop.Read(ctx, "/root/.config/deployer/demo-1.public")
	if err != nil {
		return err
	}
	options := env.HostOptions{
		TrustedPublicKeys: []string{strings.TrimSpace(string(key))},
		// Hosts look every 2 s to 15 s. A demo is not for waiting.
		Config: map[string]any{"poll": map[string]any{"min": "250ms", "max": "1s"}},
	}
	if d.ava, err = d.lab.Up(ctx, "ava", options); err != nil {
		return err
	}
	if d.biz, err = d.lab.Up(ctx, "biz", options); err != nil {
		return err
	}
	d.https = map[string]*http.Client{}
	for _, h := range d.hosts() {
		if d.https[h.Name], err = h.HTTP(ctx); err != nil {
			return err
		}
	}
	d.note("ava and biz trust the laptop's key. Each has S3 credentials of its own, which may read, and write its report")
	return nil
}

// takeDown ends everything, and says what was done and how long it took.
func (d *demo) takeDown() {
	if d.lab == nil {
		return
	}
	d.visitors.leave()
	began := time.Now()
	if err := d.lab.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "demo: taking the lab down:", err)
	}
	d.times = append(d.times, taken{"take everything down", time.Since(began)})
	fmt.Fprintln(d.out, "\nWhat was done, and how long it took:")
	for _, t := range d.times {
		fmt.Fprintf(d.out, "  %6.1f s  %s\n", t.time.Seconds(), t.title)
	}
	fmt.Fprintf(d.out, "  %6.1f s  in all\n", time.Since(d.began).Seconds())
}
