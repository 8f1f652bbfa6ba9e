package v1_test

import (
	"math/rand/v2"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

var _ = Describe("TakeRelease", func() {
	old := v1.Service{
		Name: "web", Hosts: []string{"biz"}, Commit: "one",
		Artifact: &v1.Artifact{StorePath: "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1"},
		Exec:     v1.Exec{Command: v1.Command{"bin/old"}, User: "root"},
		Env:      map[string]string{"PORT": "8080"},
		HTTP:     &v1.HTTP{Domain: "old.example.com", InternalPort: 8080},
		Health:   &v1.Health{Path: "/old"},
	}

	It("brings back what needs a new process, and leaves what applies in place", func() {
		now := v1.Service{
			Name: "web", Hosts: []string{"biz", "second"}, Commit: "two", Protect: true,
			Artifact: &v1.Artifact{StorePath: "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-2"},
			Env:      map[string]string{"PORT": "9090", "NEW": "1"},
			HTTP:     &v1.HTTP{Domain: "new.example.com", Aliases: []string{"x.example.com"}, InternalPort: 9090},
			Health:   &v1.Health{Path: "/new"},
			Deploy:   v1.Deploy{Soak: 5, Attempt: 3},
		}
		now.TakeRelease(old)
		Expect(now.Release().Revision()).To(Equal(old.Release().Revision()))
		Expect(now).To(Equal(v1.Service{
			Name: "web", Hosts: []string{"biz", "second"}, Commit: "one", Protect: true,
			Artifact: old.Artifact, Exec: old.Exec, Env: old.Env,
			HTTP:   &v1.HTTP{Domain: "new.example.com", Aliases: []string{"x.example.com"}, InternalPort: 8080},
			Health: &v1.Health{Path: "/new"},
			Deploy: v1.Deploy{Soak: 5},
		}))
	})

	It("shares nothing with where it came from", func() {
		now := v1.Service{Name: "web", HTTP: &v1.HTTP{Domain: "new.example.com", InternalPort: 1}}
		before := now.HTTP
		now.TakeRelease(old)
		now.Env["PORT"], now.Artifact.StorePath = "1", "x"
		Expect(old.Env["PORT"]).To(Equal("8080"))
		Expect(old.Artifact.StorePath).To(HaveSuffix("web-1"))
		Expect(before.InternalPort).To(Equal(1), "a copy of the manifest keeps its own")
	})

	It("gives the revision of the other version, whatever the two look like", func() {
		draw := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
		some := func() v1.Service {
			s := v1.Service{Name: "web", Hosts: []string{"biz"}}
			change := []func(){
				func() { s.Artifact = &v1.Artifact{StorePath: "/nix/store/a", NarHash: "sha256:b"} },
				func() { s.Env = map[string]string{"A": string(rune('a' + draw.IntN(3)))} },
				func() { s.HTTP = &v1.HTTP{Domain: "a.example.com", InternalPort: 1 + draw.IntN(3)} },
				func() { s.Health = &v1.Health{TCP: true} },
				func() { s.Health = &v1.Health{Exec: v1.Command{"x"}} },
				func() { s.Health = &v1.Health{Path: "/x"} },
				func() { s.Deploy = v1.Deploy{Soak: 3, Attempt: draw.IntN(3)} },
				func() { s.Hardening.Allow = []string{"x"} },
				func() { s.Resources.TasksMax = draw.IntN(3) },
				func() { s.StateDirectory, s.EnvFile = "x", "/y" },
				func() { s.Systemd.After = []string{"x.service"} },
			}
			draw.Shuffle(len(change), func(i, j int) { change[i], change[j] = change[j], change[i] })
			for _, c := range slices.Clone(change[:draw.IntN(len(change))]) {
				c()
			}
			return s
		}
		for range 2000 {
			now, other := some(), some()
			now.TakeRelease(other)
			Expect(now.Release().Revision()).To(Equal(other.Release().Revision()))
		}
	})
})
