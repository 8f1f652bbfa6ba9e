package fake_test

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/fake"
)

var _ = conformance.Host(conformance.Everything{
	Objects:  onlyStore(),
	Closures: closuresHost,
	Units:    unitsHost,
	Releases: func() providers.Releases { return fake.New().Host().Releases },
	Secrets:  secretsHost,
	Routes:   routesHost,
	Prober:   proberHost,
	Commands: commandHost,
	Ports:    portsHost,
	States:   func() providers.States { return fake.New().Host().States },
	History:  func() providers.History { return fake.New().Host().History },
	Holds:    func() providers.Holds { return fake.New().Host().Holds },

	Leftovers: leftoversHost,
})

// onlyStore gives the same store each time: the specs of races want handles on one.
func onlyStore() func() providers.Objects {
	store := fake.New().Store()
	return func() providers.Objects { return store }
}

func closuresHost() conformance.ClosuresHost {
	w := fake.New()
	return conformance.ClosuresHost{
		Closures: w.Host().Closures,
		Publish: func(name string) string {
			p := "/nix/store/00000000000000000000000000000000-" + name
			w.Publish(p)
			return p
		},
		Absent:    "/nix/store/11111111111111111111111111111111-absent",
		Collect:   w.CollectGarbage,
		Delete:    func(p string) { delete(w.Nix.OnDisk, p) },
		Alter:     func(p string) { w.Nix.Altered[p] = true },
		Unpublish: func(p string) { delete(w.Nix.Cache, p) },
	}
}

func unitsHost() conformance.UnitsHost {
	w := fake.New()
	h := w.Host()
	last := 0
	return conformance.UnitsHost{
		Units: h.Units,
		Release: func(service string, p conformance.UnitsProgram) v1.Release {
			last++
			w.Programs[path(last)] = fake.Program{
				FailsToStart: p.ExitsAtStart, Status: p.Status, Log: slices.Repeat([]string{p.Says}, max(p.SaysTimes, 1)),
				StartsAfter: p.ReadyAfter, NeverReady: p.NeverReady,
			}
			w.Publish(path(last))
			r := v1.Release{Service: service, StorePath: path(last)}
			if p.Notifies {
				r.HealthType = v1.HealthNotify
			}
			return r.Default()
		},
		Stage: func(ctx context.Context, slot v1.Slot, r providers.StageRequest) {
			GinkgoHelper()
			Expect(h.Closures.Root(ctx, r.Release.StorePath, r.Release.StorePath)).To(Succeed())
			Expect(h.Closures.Pull(ctx, r.Release.StorePath)).To(Succeed())
			Expect(h.Releases.Stage(ctx, r)).To(Succeed())
			Expect(h.Releases.Point(ctx, r.Release.Service, slot, r.Instance.String())).To(Succeed())
		},
		Pass: w.Clock.Advance,
		Crash: func(service string, slot v1.Slot) {
			w.Kill(service, slot)
			w.Clock.Advance(time.Second)
		},
		AddForeign: w.AddForeignUnit,
		Foreign: func(service string) string {
			return fmt.Sprintf("%+v", *w.Unit(service, v1.Primary))
		},
		Drift: func(what, service string, slot v1.Slot) {
			u := w.Unit(service, slot)
			switch what {
			case "edit":
				u.Edited = true
			case "drop-in":
				u.DropIns = []string{"override.conf"}
			case "mask":
				u.Masked = true
			case "unlink":
				u.Unlinked = true
			case "disable":
				u.Disabled = true
			default:
				Fail("the fake knows no drift called " + what)
			}
		},
	}
}

func secretsHost() conformance.SecretsHost {
	w := fake.New()
	change := func(path string, how func(f *fake.SecretsFile)) {
		f := w.SecretsFiles[path]
		how(&f)
		w.SecretsFiles[path] = f
	}
	return conformance.SecretsHost{
		Secrets: w.Host().Secrets,
		Path:    func(name string) string { return "/var/lib/biz-secrets/" + name },
		Write: func(path, content string, mode fs.FileMode) {
			w.SecretsFiles[path] = fake.SecretsFile{Content: content, Mode: mode}
		},
		Chown:   func(path string, uid int) { change(path, func(f *fake.SecretsFile) { f.UID = uid }) },
		Symlink: func(path string) { change(path, func(f *fake.SecretsFile) { f.Symlink = true }) },
	}
}

func leftoversHost() conformance.LeftoversHost {
	w := fake.New()
	return conformance.LeftoversHost{
		Leftovers: w.Host().Leftovers[0],
		Leave: func(service string) string {
			path := "/var/lib/biz-deployer/upstreams/.tmp-" + service
			w.Unfinished = append(w.Unfinished, providers.Leftover{Service: service, Path: path})
			return path
		},
	}
}

func routesHost() conformance.RoutesHost {
	w := fake.New()
	return conformance.RoutesHost{
		Routes: w.Host().Routes,
		Writes: func() int { return w.Caddy.Writes },
		Forget: func() { clear(w.Caddy.Routes) },
		Stop:   func() { w.Caddy.Down = true },
	}
}

func proberHost() conformance.ProberHost {
	w := fake.New()
	running := func(p fake.Program) providers.ProbeRequest {
		GinkgoHelper()
		w.Programs[path(1)] = p
		prepare(w, 1, v1.Primary)
		Expect(w.Host().Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		return providers.ProbeRequest{
			Service: "web", Slot: v1.Primary, Type: v1.HealthHTTP, Port: 8080,
			ControlGroup: facts(w, v1.Primary).ControlGroup,
		}
	}
	return conformance.ProberHost{
		Prober:    w.Host().Prober,
		Answering: func(status int) providers.ProbeRequest { return running(fake.Program{Answer: status}) },
		Silent:    func() providers.ProbeRequest { return running(fake.Program{NeverListens: true}) },
		Displaced: func() providers.ProbeRequest {
			w.Listeners[8080] = "nginx (pid 7)"
			return running(fake.Program{})
		},
	}
}

func commandHost() conformance.CommandHost {
	w := fake.New()
	return conformance.CommandHost{
		Probe: w.Host().Prober.Probe,
		Running: func(ctx context.Context, slot v1.Slot, c conformance.HealthCommand) providers.ProbeRequest {
			GinkgoHelper()
			w.Programs[path(1)] = fake.Program{CheckStatus: c.Status, CheckHangs: c.Hangs}
			prepare(w, 1, slot)
			Expect(w.Host().Units.Start(ctx, "web", slot)).To(Succeed())
			r := release(1)
			return providers.ProbeRequest{
				Service: "web", Slot: slot, Type: v1.HealthExec, Release: &r,
				Health: v1.Health{Exec: v1.Command{"bin/check"}, Timeout: v1.Duration(v1.DefaultHealthTimeout)},
			}
		},
	}
}

func portsHost() conformance.PortsHost {
	w := fake.New()
	return conformance.PortsHost{
		Ports: w.Host().Ports,
		Listen: func(port int) func() {
			w.Listeners[port] = "nginx (pid 7)"
			return func() { delete(w.Listeners, port) }
		},
		Connect: func(port, connections int) func() {
			w.Connections[port] = connections
			return func() { delete(w.Connections, port) }
		},
	}
}

var _ = Describe("the index of a cache", func() {
	conformance.CacheIndex(func() (providers.CacheIndex, providers.Objects) {
		store := fake.New().Store()
		return fake.CacheIndex(store), store
	})
})
