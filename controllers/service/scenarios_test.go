package service

import (
	"time"

	v1 "deployer/api/v1"
	"deployer/providers/fake"
)

// scenario is one thing that people do, with a state of the host before it. The fault and
// crash matrices go through all of them.
type scenario struct {
	name string
	// before brings the host to its state, and now writes the manifest that is to be
	// brought about from there.
	before, now func(g *rig)
	// served: web answered before, and must not stop doing so for the world's faults.
	served bool
}

const secretsPath = "/var/lib/biz-secrets/web.env"

func secretsFile(content string) fake.SecretsFile {
	return fake.SecretsFile{Content: content, Mode: 0o600}
}

func withSecrets(s v1.Service) v1.Service {
	s.EnvFile = secretsPath
	return s
}

// restartEdited is what people do who want to try something.
func restartEdited(g *rig) {
	g.Unit("web", v1.Primary).Edited = true
	g.Kill("web", v1.Primary)
	g.Clock.Advance(2 * second)
}

// damageRestarted is a hand in the release directory of a process that systemd has started
// again before.
func damageRestarted(g *rig) {
	g.Kill("web", v1.Primary)
	g.Clock.Advance(2 * second)
	g.settle("web")
	g.DamageRelease("web", v1.Primary)
}

// scenarios of all plans.
func scenarios() []scenario { return append(replaceScenarios(), overlapScenarios()...) }

// replaceScenarios are those of the replace plan and of removal.
func replaceScenarios() []scenario {
	web := func(release string) func(g *rig) {
		return func(g *rig) { g.write(g.web("web", release, 8080)) }
	}
	settled := func(releases ...string) func(g *rig) {
		return func(g *rig) {
			for _, release := range releases {
				web(release)(g)
				g.settle("web")
			}
		}
	}
	secrets := func(g *rig) {
		g.SecretsFiles[secretsPath] = secretsFile("TOKEN=one\n")
		g.write(withSecrets(g.web("web", "v1", 8080)))
		g.settle("web")
	}
	nothing := func(*rig) {}
	return []scenario{
		{"the first release", nothing, web("v1"), false},
		{"the next release", settled("v1"), web("v2"), true},
		{"the fifth release", settled("v1", "v2", "v3", "v4"), web("v5"), true},
		{"a rollback", settled("v1", "v2"), web("v1"), true},
		{"another domain", settled("v1"), func(g *rig) {
			s := g.web("web", "v1", 8080)
			s.HTTP.Domain = "other.example.com"
			g.write(s)
		}, true},
		{"another port", settled("v1"), func(g *rig) { g.write(g.web("web", "v1", 9090)) }, true},
		{"no http any more", settled("v1"), func(g *rig) {
			s := g.web("web", "v1", 8080)
			s.HTTP = nil
			g.write(s)
		}, true},
		{"new secrets", secrets, func(g *rig) { g.SecretsFiles[secretsPath] = secretsFile("TOKEN=two\n") }, true},
		{"a unit edited by hand", settled("v1"), func(g *rig) { g.Unit("web", v1.Primary).Edited = true }, true},
		{"a process with somebody's settings", settled("v1"), restartEdited, true},
		{"a damaged release directory", settled("v1"), damageRestarted, true},
		{"a stopped unit", settled("v1"), func(g *rig) { g.StopByHand("web", v1.Primary) }, false},
		{"a collected closure", settled("v1"), func(g *rig) {
			clear(g.Nix.RootLinks)
			clear(g.Nix.OnDisk)
		}, true},
		{"a removal", settled("v1", "v2"), func(g *rig) { g.write() }, false},
		{"a removal and the same name again", func(g *rig) {
			settled("v1")(g)
			g.write()
			// Half of the removal is done when the name comes back.
			g.reach("unroot")
		}, web("v1"), false},
	}
}

// overlapScenarios are those of two slots, and of bad releases.
func overlapScenarios() []scenario {
	web := func(release string) func(g *rig) {
		return func(g *rig) { g.write(g.overlap("web", release, 8080)) }
	}
	settled := func(releases ...string) func(g *rig) {
		return func(g *rig) {
			for _, release := range releases {
				web(release)(g)
				g.settle("web")
			}
		}
	}
	bad := func(p fake.Program, strategy string) func(g *rig) {
		return func(g *rig) {
			s := g.overlap("web", "v9", 8080)
			s.Deploy.Strategy = strategy
			g.Overlap["web"] = strategy == ""
			g.Programs[s.Artifact.StorePath] = p
			g.write(s)
		}
	}
	exits, silent := fake.Program{ExitsAfter: 1, Status: 3}, fake.Program{NeverListens: true}
	during := func(soak time.Duration) func(g *rig) {
		return func(g *rig) {
			settled("v1")(g)
			web("v2")(g)
			_ = g.drive("web", soak)
		}
	}
	return []scenario{
		{"the first overlapping release", func(*rig) {}, web("v1"), false},
		{"an overlapping release", settled("v1"), web("v2"), true},
		{"the fifth overlapping release", settled("v1", "v2", "v3", "v4"), web("v5"), true},
		{"an overlapping rollback", settled("v1", "v2"), web("v1"), true},
		{"an overlapping process with somebody's settings", settled("v1"), restartEdited, true},
		{"a damaged release directory of one that overlaps", settled("v1"), damageRestarted, true},
		{"a bad release", settled("v1"), bad(exits, ""), true},
		{"a silent release", settled("v1"), bad(silent, ""), true},
		{"a release that is bad while it soaks", settled("v1"), bad(fake.Program{ExitsAfter: 4 * second, Status: 1}, ""), true},
		{"a bad release that replaces", settled("v1"), bad(exits, v1.StrategyReplace), false},
		{"a bad first release", func(*rig) {}, bad(exits, ""), false},
		{"a fix of one that soaks", during(4 * second), web("v3"), true},
		{"a hold of one that soaks", during(4 * second), func(g *rig) {
			s := g.overlap("web", "v2", 8080)
			s.Hold = &v1.Hold{Forever: true}
			g.write(s)
		}, true},
		{"the other strategy for one that soaks", during(4 * second), func(g *rig) { g.write(g.web("web", "v2", 8080)); g.Overlap["web"] = false }, false},
		{"a removal of one that soaks", during(4 * second), func(g *rig) { g.write() }, false},
	}
}

// begin is a rig in the state before the scenario, with its wish written.
func (c scenario) begin() *rig {
	g := newRig()
	c.before(g)
	c.now(g)
	g.ForgetCalls()
	return g
}

// end is what the host looks like when nothing disturbs the scenario.
func (c scenario) end() string {
	g := c.begin()
	g.settle("web")
	return g.picture("web")
}
