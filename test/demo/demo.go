package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"deployer/test/closure"
	"deployer/test/env"
)

// domain is what the service of the demo is reached by.
const domain = "web.example.com"

// service is what a person writes; the placeholder says that there is no release yet.
const service = `{"name":"web","artifact":{"storePath":"/nix/store/placeholder"},"hosts":["biz"],
 "env":{"PORT":"8080"},"envFile":"/var/lib/biz-secrets/web.env",
 "deploy":{"soak":"2s"},
 "http":{"domain":"` + domain + `","path":"/","internalPort":8080}}`

// demo is the stage.
type demo struct {
	out   io.Writer
	began time.Time
	times []taken
	// paths are the store paths of the releases, by name.
	paths map[string]string

	lab         *env.Lab
	laptop, biz *env.Host
	https       *http.Client
}

type taken struct {
	title string
	time  time.Duration
}

func (d *demo) boot(ctx context.Context) error {
	var err error
	if d.lab, err = env.NewLab(ctx, env.LabOptions{}); err != nil {
		return err
	}
	if d.laptop, err = d.lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop}); err != nil {
		return err
	}
	if err := d.say(ctx, d.laptop, "deploy-manifest", "keygen", "demo-1"); err != nil {
		return err
	}
	key, err := d.laptop.Read(ctx, "/root/.config/deployer/demo-1.public")
	if err != nil {
		return err
	}
	d.biz, err = d.lab.Up(ctx, "biz", env.HostOptions{
		TrustedPublicKeys: []string{strings.TrimSpace(string(key))},
		// A minute between full passes would be a long time to look at.
		Config: map[string]any{"fullPass": "5s"},
	})
	if err != nil {
		return err
	}
	d.https, err = d.biz.HTTP(ctx)
	return err
}

func (d *demo) addService(ctx context.Context) error {
	secrets := []byte("GREETING=hello from the secrets file\n")
	if err := d.biz.Write(ctx, "/var/lib/biz-secrets/web.env", secrets, 0o600); err != nil {
		return err
	}
	d.note("its secrets are on biz already: /var/lib/biz-secrets/web.env, owner root, mode 0600")
	if err := d.say(ctx, d.laptop, "deploy-manifest", "init"); err != nil {
		return err
	}
	if err := d.say(ctx, d.laptop, "deploy-manifest", "add-service", service); err != nil {
		return err
	}
	if err := d.waitStatus(ctx, "Waiting"); err != nil {
		return err
	}
	return d.status(ctx)
}

// push builds a release, pushes it, and waits for its first answer.
func (d *demo) push(release string) func(context.Context) error {
	return func(ctx context.Context) error {
		d.note("building the closure of release %s on the laptop", release)
		path, err := closure.Build(ctx, d.laptop, closure.Spec{Name: "web", Release: release})
		if err != nil {
			return err
		}
		if err := d.say(ctx, d.laptop, "deploy-push", "web", path); err != nil {
			return err
		}
		d.paths[release] = path
		if err := d.waitAnswer(ctx, release); err != nil {
			return err
		}
		return d.settledStatus(ctx, release)
	}
}

func (d *demo) rollback(ctx context.Context) error {
	if err := d.say(ctx, d.laptop, "deploy-manifest", "list"); err != nil {
		return err
	}
	names, _, err := d.laptop.Exec(ctx, "deploy-manifest", "list")
	if err != nil {
		return err
	}
	newest, _, _ := strings.Cut(names, "\n")
	if err := d.say(ctx, d.laptop, "deploy-manifest", "rollback", newest); err != nil {
		return err
	}
	if err := d.waitAnswer(ctx, "one"); err != nil {
		return err
	}
	return d.settledStatus(ctx, "one")
}

func (d *demo) stopByHand(ctx context.Context) error {
	d.note("this host makes a full pass every 5 s; the default is every minute")
	if err := d.say(ctx, d.biz, "systemctl", "stop", "web"); err != nil {
		return err
	}
	if err := d.waitAnswer(ctx, "one"); err != nil {
		return err
	}
	return d.settledStatus(ctx, "one")
}

func (d *demo) remove(ctx context.Context) error {
	if err := d.say(ctx, d.laptop, "deploy-manifest", "remove-service", "web"); err != nil {
		return err
	}
	began := time.Now()
	for {
		out, _, err := d.biz.Exec(ctx, "sh", "-c", "systemctl list-unit-files 'web*' --no-legend; ls /var/lib/biz-deployer/releases /nix/var/nix/gcroots/biz")
		if err == nil && !strings.Contains(out, "web") || ctx.Err() != nil || time.Since(began) > patience {
			if err != nil || strings.Contains(out, "web") {
				return errors.Join(err, fmt.Errorf("something of web is left on biz:\n%s", out))
			}
			d.note("biz has no unit, no release directory and no GC root of web any more")
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return d.status(ctx)
}

// takeDown ends everything, and says what was done and how long it took.
func (d *demo) takeDown() {
	if d.lab == nil {
		return
	}
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
