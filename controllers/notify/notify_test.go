package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

func TestNotify(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "controllers/notify")
}

// mailbox is a messenger that may be out of order.
type mailbox struct {
	mu     sync.Mutex
	tries  int
	broken int
	got    []Message
}

func (*mailbox) Name() string { return "mailbox" }

func (b *mailbox) Send(_ context.Context, data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	if b.broken != 0 {
		b.broken--
		return errors.New("out of order")
	}
	var m Message
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	b.got = append(b.got, m)
	return nil
}

func (b *mailbox) reasons() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, m := range b.got {
		out = append(out, m.Reason+" "+m.Service+m.Revision)
	}
	return out
}

var _ = Describe("notifications", func() {
	var box, other *mailbox
	var n *Notifier
	var o Options
	var stop func()
	BeforeEach(func() {
		box, other, stop = &mailbox{}, &mailbox{}, func() {}
		o = Options{Host: "biz", Messengers: []providers.Messenger{box, other}, Settle: 40 * time.Millisecond, Pauses: []time.Duration{time.Millisecond, time.Millisecond}}
	})
	AfterEach(func() { stop() })
	run := func() {
		n = New(o)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); n.Run(ctx) }()
		stop = func() {
			cancel()
			Eventually(ended).Should(BeClosed())
		}
	}

	state := func(revision string, s v1.State, h v1.HealthState, reason string) v1.ServiceState {
		return v1.ServiceState{
			Name: "web", State: s, Health: h, Sync: v1.Synced, Reason: reason, Message: "it ended by itself",
			Desired: v1.Target{Revision: revision}, Serving: v1.Target{Revision: revision}, ObservedGeneration: 7,
			Evidence: &v1.Evidence{Log: []string{"token=secret"}},
		}
	}
	fine := func() v1.ServiceState { return state("1a", v1.Settled, v1.Healthy, "AsWanted") }
	rolledBack := func(revision string) v1.ServiceState { return state(revision, v1.Stalled, v1.Healthy, RolledBack) }
	ill := func() v1.ServiceState { return state("1a", v1.Settled, v1.Degraded, "BadStatus") }
	rolling := func() v1.ServiceState { return state("1b", v1.Rolling, v1.Progressing, "Pulling") }
	tell := func(states ...v1.ServiceState) {
		for _, s := range states {
			n.Service(s)
		}
	}

	It("tell every messenger of a release that was rolled back, at once, as an event and as a sentence", func() {
		run()
		tell(fine(), rolling(), rolledBack("1b"))
		Eventually(box.reasons).Should(Equal([]string{"RolledBack web1b"}))
		Eventually(other.reasons).Should(Equal([]string{"RolledBack web1b"}))
		Expect(box.got[0]).To(And(
			HaveField("Kind", v1.KindEvent), HaveField("Host", "biz"), HaveField("Type", v1.EventWarning), HaveField("Generation", int64(7)),
			HaveField("Text", "web on biz was rolled back: it ended by itself")))
		Expect(fmt.Sprint(box.got[0])).NotTo(ContainSubstring("secret"))
	})

	It("tell the same only once, another release anew, and the recovery", func() {
		run()
		tell(rolledBack("1b"), rolledBack("1b"), rolling(), rolledBack("1b"), rolledBack("1c"), rolling(), fine(), fine())
		Eventually(box.reasons).Should(Equal([]string{"RolledBack web1b", "RolledBack web1c", "Recovered web1a"}))
		Consistently(box.reasons, 60*time.Millisecond).Should(HaveLen(3))
	})

	It("leave out an illness that is over soon, and tell one that stays, once", func() {
		o.Settle = 200 * time.Millisecond
		run()
		tell(fine(), ill(), fine())
		Consistently(box.reasons, 300*time.Millisecond).Should(BeEmpty())
		tell(ill(), ill())
		Consistently(box.reasons, 100*time.Millisecond).Should(BeEmpty())
		Eventually(box.reasons).Should(Equal([]string{"Failed web1a"}))
		tell(ill(), rolling(), fine())
		Eventually(box.reasons).Should(Equal([]string{"Failed web1a", "Recovered web1a"}))
	})

	It("repeat nothing after a restart of the daemon, but tell the recovery", func() {
		run()
		n.Remember(v1.HostState{Services: []v1.ServiceState{rolledBack("1b")}})
		tell(rolledBack("1b"))
		Consistently(box.reasons, 60*time.Millisecond).Should(BeEmpty())
		tell(fine())
		Eventually(box.reasons).Should(Equal([]string{"Recovered web1a"}))
	})

	It("say nothing of what is held, unknown, waiting or gone", func() {
		run()
		tell(state("1b", v1.HeldState, v1.Healthy, "Held"), state("1b", v1.Waiting, v1.Healthy, "HeldByFleet"), ill())
		n.Gone("web")
		tell(fine())
		Consistently(box.reasons, 100*time.Millisecond).Should(BeEmpty())
	})

	It("are tried again, and given up for good, without a word less to the other", func() {
		box.broken = 2
		run()
		tell(rolledBack("1b"))
		Eventually(box.reasons).Should(HaveLen(1))
		Expect(box.tries).To(Equal(3))
		box.mu.Lock()
		box.broken = 3
		box.mu.Unlock()
		tell(rolledBack("1c"), rolledBack("1d"))
		Eventually(box.reasons).Should(Equal([]string{"RolledBack web1b", "RolledBack web1d"}))
		Expect(other.reasons()).To(HaveLen(3))
	})

	It("never keep the daemon waiting, and keep the newest of too many", func() {
		n = New(o) // nobody delivers
		for i := range 3 * queueSize {
			n.Service(rolledBack(fmt.Sprint(i)))
		}
		Expect(n.queues[0]).To(HaveLen(queueSize))
		var last Message
		for range queueSize {
			last = <-n.queues[0]
		}
		Expect(last.Revision).To(Equal(fmt.Sprint(3*queueSize - 1)))
	})

	It("tell of hosts", func() {
		run()
		n.HostSilent("ava", time.Date(2026, 12, 16, 3, 30, 0, 0, time.UTC))
		n.HostBack("ava")
		Eventually(box.reasons).Should(Equal([]string{"HostSilent ", "HostBack "}))
		Expect(box.got[0].Text).To(HavePrefix("ava has not reported since 2026-12-16 03:30 UTC"))
	})

	It("cost nothing when nobody wants them", func() {
		n = New(Options{Host: "biz"})
		n.Service(rolledBack("1b"))
		Expect(n.told).To(BeEmpty())
	})
})
