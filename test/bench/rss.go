package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"sigs.k8s.io/yaml"

	v1 "deployer/api/v1"
	"deployer/test/closure"
)

const (
	rssServices = 10
	rssIdle     = 60 * time.Second
)

func rss(ctx context.Context) error { return onHost(ctx, "rss", hostOptions{daemon: true}) }

// rssInside lets ten services settle, waits, and looks at the daemon for a minute. Beside
// it: what the same minute costs the host's own systemd and Caddy, and one of the services,
// which is the smallest honest Go server.
func rssInside(ctx context.Context) error {
	d, err := openDaemon(ctx)
	if err != nil {
		return err
	}
	var services []v1.Service
	for i := range rssServices {
		name := fmt.Sprintf("web%d", i)
		path, err := closure.Build(ctx, closure.Local{}, closure.Spec{Name: name, Release: "one"})
		if err != nil {
			return err
		}
		services = append(services, webService(name, path, 8080+i))
	}
	if err := d.write(ctx, services...); err != nil {
		return err
	}
	if err := d.sync(ctx); err != nil {
		return err
	}
	if err := d.settled(ctx, services...); err != nil {
		return err
	}
	fmt.Printf("Ten services, idle for %s, then watched for %s more; the manifest is polled every 2 s, as for ten minutes after a change.\n", rssIdle, rssIdle)
	if err := watch(ctx); err != nil {
		return err
	}
	if err := pollSlowly(ctx); err != nil {
		return err
	}
	fmt.Println("The same after a restart, polled every 15 s, as from ten minutes after the last change.")
	return watch(ctx)
}

// pollSlowly gives the daemon the pace that it takes by itself after ten quiet minutes.
func pollSlowly(ctx context.Context) error {
	const file = "/etc/biz-deployer/config.yaml"
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	config := map[string]any{}
	if err := yaml.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	config["poll"] = map[string]any{"min": "15s", "max": "15s"}
	if data, err = yaml.Marshal(config); err != nil {
		return err
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "systemctl", "restart", "biz-deployer").CombinedOutput(); err != nil {
		return fmt.Errorf("restarting the daemon: %w: %s", err, out)
	}
	return nil
}

// webService is a service as people write it, with the soak of the budgets.
func webService(name, path string, port int) v1.Service {
	return v1.Service{
		Name: name, Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: path},
		Env:    map[string]string{"PORT": fmt.Sprint(port)},
		HTTP:   &v1.HTTP{Domain: name + ".example.com", Path: "/", InternalPort: port},
		Deploy: v1.Deploy{Strategy: v1.StrategyReplace, Soak: v1.Duration(time.Second)},
	}
}

func watchedProcesses() []watchedProcess {
	return []watchedProcess{
		{what: "biz-deployer, 10 services", unit: "biz-deployer.service", budgetRSS: 25, budgetCPU: 0.1},
		{what: "one of the services (Go, net/http)", unit: "web0.service"},
		{what: "caddy", unit: "caddy.service"},
		{what: "systemd (PID 1)", unit: ""},
	}
}

// watch waits until all is idle, then measures CPU over a minute and memory at its end.
func watch(ctx context.Context) error {
	all := watchedProcesses()
	if err := pause(ctx, rssIdle); err != nil {
		return err
	}
	for i := range all {
		if err := all[i].begin(ctx); err != nil {
			return err
		}
	}
	if err := pause(ctx, rssIdle); err != nil {
		return err
	}
	var memory, anonymous, proportional, cpu []row
	for i := range all {
		p := &all[i]
		m, share, err := p.end()
		if err != nil {
			return fmt.Errorf("looking at %s: %w", p.what, err)
		}
		memory = append(memory, row{what: p.what, samples: samples{m.rss}, budget: p.budgetRSS, note: m.String()})
		anonymous = append(anonymous, row{what: p.what, samples: samples{m.anonymous}})
		proportional = append(proportional, row{what: p.what, samples: samples{m.pss}})
		cpu = append(cpu, row{what: p.what, samples: samples{share}, budget: p.budgetCPU})
	}
	const service = 1
	table{unit: "MB RSS", rows: memory, baseline: service}.show(os.Stdout)
	table{unit: "MB PSS", rows: proportional, baseline: service}.show(os.Stdout)
	table{unit: "MB anonymous", rows: anonymous, baseline: service}.show(os.Stdout)
	const init = 3
	table{unit: "% of a core", rows: cpu, baseline: init}.show(os.Stdout)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
