package await

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/fleet"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

func TestAwait(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "cmd/internal/await")
}

const storePath = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1"

// rig is a store with a manifest and reports, and what a wait says.
type rig struct {
	*fake.World
	o        Options
	revision string
	mu       sync.Mutex
	said     bytes.Buffer
}

func (g *rig) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.said.Write(p)
}

func (g *rig) output() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.said.String()
}

// newRig has web on ava and biz.
func newRig(ctx context.Context) *rig {
	GinkgoHelper()
	g := &rig{World: fake.New()}
	r := manifest.NewRepository(manifest.Options{Objects: g.Store(), StoreName: "s3://b", Now: g.Clock.Now})
	_, err := r.Init(ctx, manifest.EditOptions{By: "ann@laptop"})
	Expect(err).NotTo(HaveOccurred())
	g.o = Options{
		Objects: g.Store(), Repository: r, Service: "web", Out: g, Every: time.Millisecond, Patience: 50 * time.Millisecond,
		Timeout: 10 * time.Second,
	}
	g.edit(ctx, func(m *v1.Manifest) {
		manifest.Put(m, v1.Service{Name: "web", Hosts: []string{"ava", "biz"}, Artifact: &v1.Artifact{StorePath: storePath}})
	})
	return g
}

func (g *rig) edit(ctx context.Context, edit func(*v1.Manifest)) {
	GinkgoHelper()
	done, err := g.o.Repository.Edit(ctx, manifest.EditOptions{By: "ann@laptop"}, func(m *v1.Manifest) error { edit(m); return nil })
	Expect(err).NotTo(HaveOccurred())
	g.revision = done.After.Service("web").Release().Revision()
}

// report lets a host say what it does with web now.
func (g *rig) report(ctx context.Context, host string, changes ...func(*v1.ServiceState)) {
	GinkgoHelper()
	now, err := g.o.Repository.Read(ctx)
	Expect(err).NotTo(HaveOccurred())
	t := v1.Target{Revision: g.revision, Instance: g.revision + "-a"}
	st := v1.ServiceState{
		Name: "web", State: v1.Settled, Sync: v1.Synced, Health: v1.Healthy, Desired: t, Serving: t,
		ObservedGeneration: now.Manifest.Generation, Reason: "AsWanted",
	}
	for _, change := range changes {
		change(&st)
	}
	data, err := json.Marshal(v1.HostState{
		Kind: v1.KindHostState, Host: host, Daemon: "v1", UpdatedAt: time.Now(), Lineage: now.Manifest.Lineage,
		ObservedGeneration: now.Manifest.Generation, Services: []v1.ServiceState{st},
	})
	Expect(err).NotTo(HaveOccurred())
	_, err = g.Store().Put(ctx, v1.ReportKey(host), bytes.NewReader(data), providers.PutOptions{})
	Expect(err).NotTo(HaveOccurred())
}

func rolling(reason string) func(*v1.ServiceState) {
	return func(s *v1.ServiceState) {
		s.State, s.Sync, s.Health, s.Reason, s.Message = v1.Rolling, v1.OutOfSync, v1.Progressing, reason, "it takes its time"
	}
}

func live(s *v1.ServiceState) { s.Conditions = []v1.Condition{{Type: "Serving", Status: v1.True}} }

func notServing(s *v1.ServiceState) { s.Serving = v1.Target{Revision: "1old"} }

func rolledBack(s *v1.ServiceState) {
	status := 3
	s.State, s.Sync, s.Reason, s.Message = v1.Stalled, v1.OutOfSync, "RolledBack", "it ended by itself"
	s.Evidence = &v1.Evidence{ExitStatus: &status, Log: []string{"opening the database", "no such \x1b[31mtable"}}
	notServing(s)
}

var _ = Describe("waiting for the fleet", func() {
	var g *rig
	BeforeEach(func(ctx SpecContext) {
		g = newRig(ctx)
		g.o.Now = g.Clock.Now
	})

	It("ends well when every host has settled, and tells on the way what moved", func(ctx SpecContext) {
		g.report(ctx, "ava")
		g.report(ctx, "biz", rolling("Pulling"), notServing)
		ended := make(chan error, 1)
		go func() { ended <- Wait(ctx, g.o) }()
		Eventually(g.output).Should(ContainSubstring("web on biz: rolling, pulling"))
		g.report(ctx, "biz", rolling("Soaking"), live)
		Eventually(g.output).Should(ContainSubstring("web on biz: live, soaking"))
		Consistently(ended, 50*time.Millisecond).ShouldNot(Receive())
		g.report(ctx, "biz")
		Eventually(ended).Should(Receive(BeNil()))
		Expect(strings.Split(strings.TrimSpace(g.output()), "\n")).To(HaveExactElements(
			"web on ava: settled (0 s)", "web on biz: rolling, pulling (0 s)",
			"web on biz: live, soaking (0 s)", "web on biz: settled (0 s)"))
	})

	It("ends with 3, the reason and the last log lines, when it was rolled back, but not before the others have a verdict", func(ctx SpecContext) {
		g.report(ctx, "ava", rolledBack)
		g.report(ctx, "biz", rolling("Pulling"), notServing)
		ended := make(chan error, 1)
		go func() { ended <- Wait(ctx, g.o) }()
		Eventually(g.output).Should(ContainSubstring("web on ava: RolledBack: it ended by itself"))
		Consistently(ended, 50*time.Millisecond).ShouldNot(Receive())
		g.report(ctx, "biz", func(s *v1.ServiceState) {
			s.State, s.Sync, s.Reason, s.Message = v1.Waiting, v1.OutOfSync, fleet.HeldByFleet, "it was bad on ava"
		}, notServing)
		var err error
		Eventually(ended).Should(Receive(&err))
		Expect(cli.CodeOf(err)).To(Equal(cli.ExitFailed))
		Expect(err).To(MatchError(ContainSubstring("web on ava: RolledBack; web on biz: HeldByFleet")))
		Expect(g.output()).To(And(ContainSubstring("status 3"), ContainSubstring("    no such ·[31mtable"), ContainSubstring("it was bad on ava")))
	})

	It("does not wait for ever for a host that is silent: that is 4", func(ctx SpecContext) {
		g.report(ctx, "biz")
		g.o.Now = time.Now
		g.Clock.Jump(time.Since(g.Clock.Now()))
		g.report(ctx, "biz")
		err := Wait(ctx, g.o)
		Expect(cli.CodeOf(err)).To(Equal(cli.ExitUnknown))
		Expect(err).To(MatchError(ContainSubstring("web on ava: NoReport")))
		Expect(g.output()).To(ContainSubstring("web on biz: settled"))
	})

	It("is 5 when the time is up, and names what goes on", func(ctx SpecContext) {
		g.o.Timeout = 50 * time.Millisecond
		g.report(ctx, "ava")
		g.report(ctx, "biz", rolling("Pulling"))
		err := Wait(ctx, g.o)
		Expect(cli.CodeOf(err)).To(Equal(cli.ExitDifferent))
		Expect(err).To(MatchError(And(ContainSubstring("no verdict after 50ms"), ContainSubstring("web on biz: Pulling"))))
	})

	It("goes on over a store that does not answer, and says so once", func(ctx SpecContext) {
		g.report(ctx, "ava")
		g.report(ctx, "biz", rolling("Pulling"))
		g.Fail("objects.Get", &providers.Fault{Reason: "Slow", Message: "the store is slow", Err: providers.ErrUnavailable})
		ended := make(chan error, 1)
		go func() { ended <- Wait(ctx, g.o) }()
		Eventually(g.output).Should(ContainSubstring("still waiting: the store is slow"))
		g.Heal("")
		g.report(ctx, "biz")
		Eventually(ended).Should(Receive(BeNil()))
		Expect(strings.Count(g.output(), "still waiting")).To(Equal(1))
	})

	It("says that somebody else's release came in between", func(ctx SpecContext) {
		g.report(ctx, "ava", rolling("Pulling"))
		ended := make(chan error, 1)
		go func() { ended <- Wait(ctx, g.o) }()
		Eventually(g.output).Should(ContainSubstring("ava"))
		g.edit(ctx, func(m *v1.Manifest) { m.Service("web").Deploy.Attempt++ })
		var err error
		Eventually(ended).Should(Receive(&err))
		Expect(cli.CodeOf(err)).To(Equal(cli.ExitUnknown))
		Expect(err).To(MatchError(ContainSubstring("was superseded by generation 3 of ann@laptop")))
	})

	It("of a service that is not there is a mistake in the command line", func(ctx SpecContext) {
		g.o.Service = "wbe"
		Expect(cli.CodeOf(Wait(ctx, g.o))).To(Equal(cli.ExitUsage))
	})
})

var _ = Describe("the live table", func() {
	It("never draws more or wider lines than the screen has, and takes back what it drew", func() {
		file, err := os.CreateTemp(GinkgoT().TempDir(), "")
		Expect(err).NotTo(HaveOccurred())
		l := &liveTable{out: file}
		l.draw([]string{"one, and this is too long", "two", "three"}, 10, 3)
		l.clear()
		data, err := os.ReadFile(file.Name())
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(Equal("one, and \ntwo\n\x1b[2A\x1b[J"))
	})
})
