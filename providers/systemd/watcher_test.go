package systemd_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/test/env"
)

// told gathers the names that a watcher tells.
type told struct {
	mu    sync.Mutex
	names []string
}

func (t *told) tell(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names = append(t.names, name)
}

// take gives what was told since it was asked last.
func (t *told) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.names
	t.names = nil
	return out
}

const manager = "org.freedesktop.systemd1.Manager."

func signalled(name string, body ...any) *dbus.Signal {
	return &dbus.Signal{Path: "/org/freedesktop/systemd1", Name: manager + name, Body: body}
}

func propertiesOf(object dbus.ObjectPath, kind string) *dbus.Signal {
	return &dbus.Signal{
		Path: "/org/freedesktop/systemd1/unit/" + object, Name: "org.freedesktop.DBus.Properties.PropertiesChanged",
		Body: []any{"org.freedesktop.systemd1." + kind},
	}
}

var _ = Describe("the watcher", func() {
	var (
		s *scripted
		t *told
	)
	BeforeEach(func() { s, t = newScripted(), &told{} })
	say := func(signals ...*dbus.Signal) {
		s.bus.mu.Lock()
		now := s.bus.signals
		s.bus.mu.Unlock()
		// The last one is taken from the channel only when those before are done with.
		for _, signal := range append(signals, signalled("JobNew"), signalled("JobNew")) {
			now <- signal
		}
	}
	watch := func(ctx context.Context) {
		GinkgoHelper()
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error)
		go func() {
			ended <- s.manager.Watcher(func() []string { return []string{"mail", "web"} }).Watch(ctx, t.tell)
		}()
		DeferCleanup(func() {
			stop()
			Eventually(ended).Should(Receive(BeNil()))
		})
		Eventually(s.bus.heard).Should(Receive())
		say()
	}

	It("begins with all names: nobody saw what happened before", func(ctx SpecContext) {
		watch(ctx)
		Expect(t.take()).To(Equal([]string{"mail", "web"}))
	})

	DescribeTable("makes a name of", func(ctx SpecContext, said *dbus.Signal, names ...string) {
		watch(ctx)
		t.take()
		say(said)
		Expect(t.take()).To(Equal(names))
	},
		Entry("a change of the primary's state", propertiesOf("web_2eservice", "Unit"), "web"),
		Entry("a change of the standby's state", propertiesOf("my_2dweb_2dstandby_2eservice", "Unit"), "my-web"),
		Entry("a unit that was loaded", signalled("UnitNew", "web.service", dbus.ObjectPath("/x")), "web"),
		Entry("a unit that vanished", signalled("UnitRemoved", "web.service", dbus.ObjectPath("/x")), "web"),
		Entry("systemctl enable of anything: it may have been ours", signalled("UnitFilesChanged"), "mail", "web"),
	)

	DescribeTable("has no name for", func(ctx SpecContext, said *dbus.Signal) {
		watch(ctx)
		t.take()
		say(said)
		Expect(t.take()).To(BeEmpty())
	},
		Entry("what systemd says of the service at the same time", propertiesOf("web_2eservice", "Service")),
		Entry("units of other kinds", propertiesOf("web_2etimer", "Unit")),
		Entry("units with names that no service has", propertiesOf("getty_40tty1_2eservice", "Unit")),
		Entry("jobs: the unit changes with them", signalled("JobRemoved", uint32(1), dbus.ObjectPath("/x"), "web.service", "done")),
		Entry("a signal without a body", signalled("UnitNew")),
	)

	It("takes a daemon-reload for one event, however many units vanish and come back in it", func(ctx SpecContext) {
		watch(ctx)
		t.take()
		removed, loaded := signalled("UnitRemoved", "web.service", dbus.ObjectPath("/x")), signalled("UnitNew", "web.service", dbus.ObjectPath("/x"))
		say(signalled("Reloading", true), removed, loaded)
		Expect(t.take()).To(BeEmpty())
		say(signalled("Reloading", false))
		Expect(t.take()).To(Equal([]string{"mail", "web"}))
		say(loaded)
		Expect(t.take()).To(Equal([]string{"web"}))
	})

	It("connects again when systemd ends the connection or refuses one, and tells all names then", func(ctx SpecContext) {
		watch(ctx)
		t.take()
		s.refuse = 2
		s.bus.hangUp()
		Eventually(s.bus.heard).WithTimeout(5 * time.Second).Should(Receive())
		say()
		Expect(t.take()).To(Equal([]string{"mail", "web"}))
	})
})

var _ = Describe("the watcher on a real systemd", Label("host"), func() {
	if !env.Inside() {
		return
	}
	var (
		h *realHost
		t *told
		r v1.Release
		s providers.UnitSpec
	)
	instance := v1.Instance{Revision: "r1", Secrets: v1.NoSecrets}
	sh := func(script string) {
		GinkgoHelper()
		out, err := exec.Command("/bin/sh", "-c", script).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "%s: %s", script, out)
	}
	soon := func(name string) {
		GinkgoHelper()
		Eventually(t.take).WithTimeout(5 * time.Second).WithPolling(5 * time.Millisecond).Should(ContainElement(name))
	}
	silence := func() {
		GinkgoHelper()
		Eventually(func() []string {
			time.Sleep(300 * time.Millisecond)
			return t.take()
		}).WithTimeout(5 * time.Second).Should(BeEmpty())
	}
	BeforeEach(func(ctx SpecContext) {
		h, t = newRealHost(), &told{}
		r = h.release("web", conformance.UnitsProgram{})
		s = providers.UnitSpec{Service: "web", Slot: v1.Primary, Release: &r}
		watching, stop := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() {
			ended <- h.manager.Watcher(func() []string { return []string{"mail", "web"} }).Watch(watching, t.tell)
		}()
		DeferCleanup(func() {
			stop()
			Eventually(ended).Should(Receive(BeNil()))
		})
		soon("mail")
		h.stage(ctx, s.Slot, providers.StageRequest{Instance: instance, Release: r})
		Expect(h.manager.Install(ctx, s)).To(Succeed())
		Expect(h.manager.Start(ctx, "web", s.Slot)).To(Succeed())
		silence()
	})

	DescribeTable("tells of", func(_ SpecContext, script string) {
		sh(script)
		soon("web")
	},
		Entry("a process that was killed", "systemctl kill -s KILL web"),
		Entry("a stop", "systemctl stop web"),
		Entry("a daemon-reload", "systemctl daemon-reload"),
		Entry("all of it after a daemon-reexec", "systemctl daemon-reexec; sleep 0.5; systemctl stop web"),
	)

	It("hears nothing of looks, and of our own reload no more than of the unit", func(ctx SpecContext) {
		for range 20 {
			time.Sleep(10 * time.Millisecond)
			h.manager.Relist()
			_, err := h.manager.Observe(ctx, s)
			Expect(err).NotTo(HaveOccurred())
			_, err = h.manager.Owned(ctx)
			Expect(err).NotTo(HaveOccurred())
		}
		Consistently(t.take).WithTimeout(300 * time.Millisecond).Should(BeEmpty())
		Expect(os.WriteFile(filepath.Join(h.paths.Services(), "web.service"), []byte("# by hand\n"), 0o644)).To(Succeed())
		h.manager.Relist()
		Expect(h.manager.Install(ctx, s)).To(Succeed())
		Consistently(t.take).WithTimeout(500 * time.Millisecond).ShouldNot(ContainElement("mail"))
	})

	It("lets the next look see what it told of, however new the last one is", func(ctx SpecContext) {
		for range 5 {
			Expect(h.manager.Start(ctx, "web", s.Slot)).To(Succeed())
			silence()
			facts, err := h.manager.Observe(ctx, s)
			Expect(err).NotTo(HaveOccurred())
			Expect(facts.Running()).To(BeTrue())
			sh("systemctl stop web")
			soon("web")
			facts, err = h.manager.Observe(ctx, s)
			Expect(err).NotTo(HaveOccurred())
			Expect(facts.Running()).To(BeFalse())
		}
	})
})
