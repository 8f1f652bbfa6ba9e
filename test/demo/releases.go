package main

import (
	"context"
	"fmt"
	"strings"

	v1 "deployer/api/v1"
	"deployer/test/closure"
)

const (
	service = "web"
	// domain is what it is reached by.
	domain = "web.example.com"
	// written is what a person writes; the placeholder says that there is no release yet.
	written = `{"name":"web","hosts":["ava","biz"],"artifact":{"storePath":"/nix/store/placeholder"},
 "env":{"PORT":"8080"},"envFile":"/var/lib/biz-secrets/web.env",
 "health":{"path":"/healthz","interval":"200ms"},"deploy":{"soak":"1500ms","drain":"1s","order":["biz"]},
 "http":{"domain":"` + domain + `","path":"/","internalPort":8080}}`
)

func (d *demo) addService(ctx context.Context) error {
	for _, h := range d.hosts() {
		if err := h.Write(ctx, "/var/lib/biz-secrets/web.env", []byte("GREETING=hello from the secrets file\n"), 0o600); err != nil {
			return err
		}
	}
	d.note("its secrets are on the hosts already: /var/lib/biz-secrets/web.env, owner root, mode 0600")
	if _, err := d.run(ctx, d.laptop, 0, "deploy-manifest", "init"); err != nil {
		return err
	}
	if err := d.saying(ctx, []string{"overlap"}, d.laptop, 0, "deploy-manifest", "add-service", written); err != nil {
		return err
	}
	_, err := until(ctx, func() error {
		st, err := web(ctx, d.biz)
		if err == nil && st.State != v1.Waiting {
			err = fmt.Errorf("%s on biz is %s, and has to wait for a release", service, st.State)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = d.run(ctx, d.biz, 0, "deployerctl", "status")
	return err
}

// build makes a release on the laptop, good or bad by its settings.
func (d *demo) build(ctx context.Context, release string, settings map[string]string) (storePath string, err error) {
	d.note("the laptop builds release %s", release)
	return closure.Build(ctx, d.laptop, closure.Spec{Name: service, Release: release, Settings: settings})
}

// push pushes a good release, and waits until it serves everywhere.
func (d *demo) push(ctx context.Context, release, why string) error {
	path, err := d.build(ctx, release, nil)
	if err != nil {
		return err
	}
	if err := d.saying(ctx, []string{"web on ava: settled", "web on biz: settled"},
		d.laptop, 0, "deploy-push", service, path, "--wait", "-m", why); err != nil {
		return err
	}
	return d.answers(ctx, release, d.hosts()...)
}

func (d *demo) pushFirst(ctx context.Context) error { return d.push(ctx, "one", "the first release") }

func (d *demo) pushSecond(ctx context.Context) error {
	d.arrive(ctx)
	if err := d.push(ctx, "two", "a new menu"); err != nil {
		return err
	}
	return d.content("one", "two")
}

func (d *demo) pushBad(ctx context.Context) error {
	path, err := d.build(ctx, "three", map[string]string{"mode": "exit", "exit-code": "7"})
	if err != nil {
		return err
	}
	d.arrive(ctx)
	if err := d.saying(ctx, []string{"web on biz: RolledBack", "exiting with 7", "web on ava: HeldByFleet"},
		d.laptop, 3, "deploy-push", service, path, "--wait", "-m", "faster, they said"); err != nil {
		return err
	}
	if _, err := d.run(ctx, d.laptop, 3, "deploy-manifest", "status"); err != nil {
		return err
	}
	if _, err := d.run(ctx, d.biz, 0, "deployerctl", "why", service); err != nil {
		return err
	}
	log, _, err := d.ava.Exec(ctx, "journalctl", "--no-pager", "-o", "cat", "-u", "web", "-u", "web-standby")
	switch {
	case err != nil:
		return err
	case strings.Contains(log, "release three"):
		return fmt.Errorf("release three ran on ava")
	case !strings.Contains(log, "release two"):
		return fmt.Errorf("the journal of ava does not even have release two")
	}
	d.note("the journal of ava has nothing of release three")
	return d.content("two")
}

func (d *demo) pushFix(ctx context.Context) error {
	d.arrive(ctx)
	if err := d.push(ctx, "four", "fix release three"); err != nil {
		return err
	}
	return d.content("four", "two")
}
