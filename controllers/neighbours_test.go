package controllers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers"
	"deployer/controllers/fleet"
	"deployer/controllers/manifest"
	"deployer/providers"
)

var _ = Describe("the other hosts", func() {
	var g *rig
	BeforeEach(func(ctx SpecContext) {
		g = newRig(ctx)
		g.Set = controllers.New(controllers.Options{
			Host: g.Host(), HostName: "biz", Repository: g.repository, Objects: g.Store(), Now: g.Clock.Now, Workers: 1,
			Pace: manifest.Pace{Min: 10 * time.Millisecond, Max: 10 * time.Millisecond}, FullPass: time.Hour,
		})
		Expect(g.Load(ctx)).To(Succeed())
	})

	// deploy wants web here and on ava, in an order or in none.
	deploy := func(ctx context.Context, order ...string) string {
		GinkgoHelper()
		g.write(ctx, func(m *v1.Manifest) {
			manifest.Put(m, v1.Service{
				Name: "web", Hosts: []string{"ava", "biz"}, Artifact: &v1.Artifact{StorePath: storePath},
				Deploy: v1.Deploy{Order: order, Soak: v1.Duration(time.Second)},
			})
		})
		return g.Source.Lookup("web").Revision
	}
	// judged is what ava says of a revision.
	judged := func(ctx context.Context, revision string, result v1.VerdictResult) {
		GinkgoHelper()
		data, err := json.Marshal(v1.HostState{
			Kind: v1.KindHostState, Host: "ava", Lineage: g.Source.Manifest().Lineage,
			Services: []v1.ServiceState{{
				Name: "web", Desired: v1.Target{Revision: revision},
				Verdicts: []v1.Verdict{{Instance: revision + "-a", Result: result, Reason: "Exited", Message: "it ended"}},
			}},
		})
		Expect(err).NotTo(HaveOccurred())
		_, err = g.Store().Put(ctx, v1.ReportKey("ava"), bytes.NewReader(data), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
	}
	state := func() v1.ServiceState { st, _ := g.Board.State("web"); return st }

	It("keep this one from a release that was bad there", func(ctx SpecContext) {
		judged(ctx, deploy(ctx), v1.VerdictBad)
		g.pass(ctx, "web")
		Expect(state()).To(And(HaveField("State", v1.Waiting), HaveField("Reason", fleet.HeldByFleet), HaveField("Message", ContainSubstring("bad on ava"))))
		By("another attempt is another revision")
		g.write(ctx, func(m *v1.Manifest) { m.Service("web").Deploy.Attempt++ })
		g.pass(ctx, "web")
		Expect(state().State).To(Equal(v1.Rolling))
	})

	It("that are silent, or whose store is away, keep nobody from anything, but that they come first", func(ctx SpecContext) {
		deploy(ctx)
		g.Fail("objects.Get status/ava.json", providers.ErrUnavailable)
		g.pass(ctx, "web")
		Expect(state().State).To(Equal(v1.Rolling))
	})

	It("that come first are waited for, and when they have soaked it, the pass comes by itself", func(ctx SpecContext) {
		revision := deploy(ctx, "ava")
		g.pass(ctx, "web")
		Expect(state().Reason).To(Equal(fleet.WaitsForCanary))
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- g.Run(running) }()
		Consistently(func() v1.State { return state().State }, 100*time.Millisecond).Should(Equal(v1.Waiting))
		judged(ctx, revision, v1.VerdictSoaked)
		g.Clock.Advance(2 * time.Second)
		Eventually(func() v1.State { g.Clock.Advance(time.Second); return state().State }).Should(Equal(v1.Rolling))
		stop()
		Eventually(ended, "5s").Should(Receive(BeNil()))
	})

	It("are asked once a second at most, however many passes there are", func(ctx SpecContext) {
		deploy(ctx, "ava")
		g.ForgetCalls()
		for range 10 {
			g.pass(ctx, "web")
		}
		Expect(g.Calls()).To(ContainElement("objects.Get status/ava.json"))
		n := 0
		for _, call := range g.Calls() {
			if call == "objects.Get status/ava.json" {
				n++
			}
		}
		Expect(n).To(Equal(1))
	})
})

var _ = Describe("another host that goes silent", func() {
	var g *rig
	var box *mailbox
	BeforeEach(func(ctx SpecContext) {
		g, box = newRig(ctx), &mailbox{}
	})
	// start is this host under a name, with the manifest naming three.
	start := func(ctx context.Context, name string) {
		GinkgoHelper()
		g.Set = controllers.New(controllers.Options{
			Host: g.Host(), HostName: name, Repository: g.repository, Objects: g.Store(), Now: g.Clock.Now, Workers: 1, Silent: true,
			Pace: manifest.Pace{Min: 5 * time.Millisecond, Max: 5 * time.Millisecond}, FullPass: time.Hour, Messengers: []providers.Messenger{box},
		})
		Expect(g.Load(ctx)).To(Succeed())
		g.write(ctx, func(m *v1.Manifest) { manifest.Put(m, v1.Service{Name: "web", Hosts: []string{"ava", "biz", "cyd"}}) })
		running, stop := context.WithCancel(context.WithoutCancel(ctx))
		ended := make(chan struct{})
		go func() { defer close(ended); _ = g.Run(running) }()
		DeferCleanup(func() { stop(); Eventually(ended, "5s").Should(BeClosed()) })
	}
	report := func(ctx context.Context, host string) {
		GinkgoHelper()
		_, err := g.Store().Put(ctx, v1.ReportKey(host), strings.NewReader(`{"kind":"HostState","host":"`+host+`","updatedAt":"`+g.Clock.Now().Format(time.RFC3339Nano)+`"}`), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
	}
	minutes := func(ctx context.Context, n int, reporting ...string) {
		GinkgoHelper()
		for range n {
			g.Clock.Advance(time.Minute + time.Second)
			for _, host := range reporting {
				report(ctx, host)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}

	It("is told once, and its return, by the first of those that hear it", func(ctx SpecContext) {
		report(ctx, "ava")
		report(ctx, "cyd")
		start(ctx, "biz")
		minutes(ctx, 2, "ava", "cyd")
		Expect(box.all()).To(BeEmpty())
		By("cyd is silent, and ava tells of it")
		minutes(ctx, 5, "ava")
		Expect(box.all()).To(BeEmpty())
		By("ava is silent, too, and biz is the first")
		minutes(ctx, 5)
		Eventually(box.all).Should(HaveExactElements("HostSilent ava"))
		minutes(ctx, 2, "ava")
		Eventually(box.all).Should(HaveExactElements("HostSilent ava", "HostBack ava"))
	})

	It("is told by the first host of all, with its return", func(ctx SpecContext) {
		report(ctx, "biz")
		report(ctx, "cyd")
		start(ctx, "ava")
		minutes(ctx, 2, "biz", "cyd")
		minutes(ctx, 5, "biz")
		Eventually(box.all).Should(HaveExactElements("HostSilent cyd"))
		minutes(ctx, 2, "biz", "cyd")
		Eventually(box.all).Should(HaveExactElements("HostSilent cyd", "HostBack cyd"))
	})
})

// mailbox keeps the reasons and the hosts of what it gets.
type mailbox struct {
	mu  sync.Mutex
	got []string
}

func (*mailbox) Name() string { return "mailbox" }

func (b *mailbox) Send(_ context.Context, data []byte) error {
	var e v1.Event
	err := json.Unmarshal(data, &e)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, e.Reason+" "+e.Host)
	return err
}

func (b *mailbox) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

var _ = Describe("a newer manifest", func() {
	It("asks for a pass of every service, for people wait for a word on it", func(ctx SpecContext) {
		g := newRig(ctx)
		g.web(ctx)
		before := g.queued()
		g.write(ctx, func(m *v1.Manifest) { manifest.Put(m, v1.Service{Name: "api", Hosts: []string{"biz"}}) })
		Expect(g.queued()).To(BeNumerically(">", before))
	})
})
