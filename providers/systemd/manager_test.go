package systemd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/systemd"
)

var _ = Describe("installing", func() {
	var s *scripted
	BeforeEach(func() { s = newScripted() })

	It("needs no reload for a unit that systemd has not loaded", func(ctx SpecContext) {
		Expect(s.manager.Install(ctx, s.spec(1))).To(Succeed())
		Expect(s.bus.count("Reload")).To(BeZero())
	})

	It("needs no reload when nothing changed", func(ctx SpecContext) {
		s.installed(ctx, 1)
		Expect(s.manager.Install(ctx, s.spec(0))).To(Succeed())
		Expect(s.bus.count("Reload")).To(BeZero())
	})

	It("shares reloads among those who install at the same time", func(ctx SpecContext) {
		const n = 30
		s.installed(ctx, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				defer GinkgoRecover()
				Expect(s.manager.Install(ctx, s.spec(i, "--new"))).To(Succeed())
			})
		}
		all.Wait()
		Expect(s.bus.count("Reload")).To(And(BeNumerically(">", 0), BeNumerically("<=", 5)))
		s.later()
		for i := range n {
			facts, err := s.manager.Observe(ctx, s.spec(i, "--new"))
			Expect(err).NotTo(HaveOccurred())
			Expect(facts.Differs).To(BeEmpty())
		}
	})

	It("says ReloadFailed when systemd cannot reload, after a second try (F29)", func(ctx SpecContext) {
		s.installed(ctx, 1)
		s.bus.fail["Reload"] = failure{errDBus, 2}
		err := s.manager.Install(ctx, s.spec(0, "--new"))
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(providers.ReasonOf(err)).To(Equal("ReloadFailed"))
		Expect(err).To(MatchError(ContainSubstring("no space left")))
		Expect(s.bus.count("Reload")).To(Equal(2))
		s.later()
		facts, err := s.manager.Observe(ctx, s.spec(0, "--new"))
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Current).To(BeFalse(), "the old text is still loaded")
		Expect(s.manager.Install(ctx, s.spec(0, "--new"))).To(Succeed(), "once it works again")
	})

	It("notices a line that systemd dropped", func(ctx SpecContext) {
		s.bus.drops = "ExecStart"
		err := s.manager.Install(ctx, s.spec(1))
		Expect(providers.ReasonOf(err)).To(Equal("UnitNotLoaded"))
		Expect(err).To(MatchError(ContainSubstring("ExecStart")))
	})

	It("goes on after a crash between text and link, and after one between link and reload", func(ctx SpecContext) {
		s.installed(ctx, 1)
		Expect(os.Remove(filepath.Join(s.paths.UnitDir, "web0.service"))).To(Succeed())
		Expect(s.manager.Install(ctx, s.spec(0))).To(Succeed())

		u, err := systemd.Render(s.spec(0, "--new"), systemd.RenderOptions{Paths: s.paths, Version: 257})
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(filepath.Join(s.paths.Services(), "web0.service"), []byte(u.Text), 0o644)).To(Succeed())
		s.later()
		facts, err := s.manager.Observe(ctx, s.spec(0, "--new"))
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Differs).To(ContainElement("loaded ExecStart"))
		Expect(s.manager.Install(ctx, s.spec(0, "--new"))).To(Succeed())
		Expect(s.bus.count("Reload")).To(BeNumerically(">", 0))
	})

	It("keeps a file that somebody put in the place of our link", func(ctx SpecContext) {
		s.installed(ctx, 1)
		path := filepath.Join(s.paths.UnitDir, "web0.service")
		Expect(os.Remove(path)).To(Succeed())
		Expect(os.WriteFile(path, []byte("[Service]\nExecStart=/bin/true\n"), 0o644)).To(Succeed())
		err := s.manager.Install(ctx, s.spec(0))
		Expect(err).To(MatchError(providers.ErrConflict))
		Expect(os.ReadFile(path)).To(BeEquivalentTo("[Service]\nExecStart=/bin/true\n"))
		Expect(s.manager.Owned(ctx)).To(BeEmpty())
	})
})

var _ = Describe("observing", func() {
	It("shares one listing among many services and asks for details once", func(ctx SpecContext) {
		s := newScripted()
		s.installed(ctx, 50)
		round := func() {
			for i := range 50 {
				facts, err := s.manager.Observe(ctx, s.spec(i))
				Expect(err).NotTo(HaveOccurred())
				Expect(facts.Current).To(BeTrue())
			}
		}
		round()
		Expect(s.bus.count("Services")).To(Equal(1))
		details := s.bus.count("Properties")
		s.later()
		round()
		Expect(s.bus.count("Services")).To(Equal(2))
		Expect(s.bus.count("Properties")).To(Equal(details))
		s.bus.setRow("web7.service", "failed", "failed", 0)
		s.later()
		round()
		Expect(s.bus.count("Properties")).To(Equal(details+1), "one row changed")
	})

	It("takes what is left of a failed unit without a file for nobody's", func(ctx SpecContext) {
		s := newScripted()
		for _, active := range []string{"failed", "inactive"} {
			s.bus.rows["web0.service"] = systemd.Row{Name: "web0.service", LoadState: "not-found", ActiveState: active, SubState: "failed"}
			s.later()
			facts, err := s.manager.Observe(ctx, s.spec(0))
			Expect(err).NotTo(HaveOccurred())
			Expect(facts.Found).To(BeFalse())
			Expect(facts.Differs).To(ContainElement("unit file missing"))
		}
		Expect(s.manager.Install(ctx, s.spec(0))).To(Succeed())
	})

	It("sees a process that was replaced between two listings", func(ctx SpecContext) {
		s := newScripted()
		s.installed(ctx, 1)
		dir := filepath.Join(filepath.Dir(s.paths.StateDir), "credentials", "web0.service")
		Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
		for n, instance := range []string{"r1-none", "r2-none"} {
			Expect(os.WriteFile(filepath.Join(dir, "new"), []byte(instance+"\n"), 0o600)).To(Succeed())
			Expect(os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "revision"))).To(Succeed())
			s.bus.props["web0.service"] = map[string]any{"MainPID": uint32(100 + n)}
			s.later()
			facts, err := s.manager.Observe(ctx, s.spec(0))
			Expect(err).NotTo(HaveOccurred())
			Expect(facts.Instance).To(Equal(instance))
			Expect(facts.MainPID).To(Equal(100 + n))
		}
	})

	It("connects again when the connection died, and is unavailable while it cannot", func(ctx SpecContext) {
		s := newScripted()
		s.installed(ctx, 1)
		for n, died := range []error{dbus.ErrClosed, fmt.Errorf("write: %w", syscall.EPIPE)} {
			s.bus.fail["Services"] = failure{died, 1}
			s.later()
			_, err := s.manager.Observe(ctx, s.spec(0))
			Expect(err).NotTo(HaveOccurred())
			Expect(s.dials).To(Equal(n+2), "after %v", died)
		}
		s.bus.mu.Lock()
		s.bus.dead = true
		s.bus.mu.Unlock()
		s.later()
		_, err := s.manager.Observe(ctx, s.spec(0))
		Expect(err).NotTo(HaveOccurred())
		Expect(s.dials).To(Equal(4))
		s.bus.fail["Services"] = failure{dbus.ErrClosed, 2}
		s.later()
		_, err = s.manager.Observe(ctx, s.spec(0))
		Expect(err).To(MatchError(providers.ErrUnavailable))
	})
})

var _ = Describe("after a boot", func() {
	It("starts what systemd did not find, and nothing else, and waits for none of it", func(ctx SpecContext) {
		s := newScripted()
		s.installed(ctx, 4)
		s.bus.result = ""
		notFound := func(unit string) {
			s.bus.rows[unit] = systemd.Row{Name: unit, LoadState: "not-found", ActiveState: "inactive", SubState: "dead"}
		}
		notFound("web1.service")
		notFound("web2.service")
		Expect(os.Remove(filepath.Join(s.paths.UnitDir, "multi-user.target.wants", "web2.service"))).To(Succeed(), "disabled")
		notFound("nginx.service")
		s.bus.setRow("web3.service", "inactive", "dead", 0) // stopped by somebody
		Expect(s.manager.StartMissed(ctx)).To(Equal([]string{"web1.service"}))
		Expect(s.bus.count("Reload")).To(Equal(1))
		Expect(s.bus.count("Restart")).To(Equal(1))
	})

	It("asks for no reload when all was found", func(ctx SpecContext) {
		s := newScripted()
		s.installed(ctx, 2)
		Expect(s.manager.StartMissed(ctx)).To(BeEmpty())
		Expect(s.bus.count("Reload")).To(BeZero())
	})
})

var _ = Describe("a start", func() {
	var s *scripted
	BeforeEach(func(ctx SpecContext) {
		s = newScripted()
		s.installed(ctx, 1)
	})
	start := func(ctx context.Context) *providers.Fault {
		GinkgoHelper()
		err := s.manager.Start(ctx, "web0", v1.Primary)
		var f *providers.Fault
		Expect(errors.As(err, &f)).To(BeTrue(), "%v", err)
		return f
	}

	DescribeTable("says whose fault it is that it failed",
		func(ctx SpecContext, result string, props map[string]any, reason string, own bool) {
			s.bus.result = result
			s.bus.props["web0.service"] = props
			f := start(ctx)
			Expect(f.Reason).To(Equal(reason))
			Expect(f.Own).To(Equal(own))
		},
		Entry("it exits", "failed", exit("exit-code", 1, 3), "ExitedAtStart", true),
		Entry("it is killed", "failed", exit("signal", 2, 11), "ExitedAtStart", true),
		Entry("it makes a refused system call", "failed", exit("core-dump", 3, 31), "SystemCallRefused", true),
		Entry("it cannot be executed", "failed", exit("exit-code", 1, 203), "ExecFailed", true),
		Entry("it never gets ready", "timeout", exit("timeout", 2, 15), "StartTimedOut", true),
		Entry("its user does not exist", "failed", exit("exit-code", 1, 217), "SandboxFailed", false),
		Entry("its secrets are gone", "failed", exit("resources", 0, 0), "StartRefused", false),
		Entry("a unit that it requires fails", "dependency", exit("success", 0, 0), "DependencyFailed", false),
		Entry("somebody else's job came between", "canceled", exit("success", 0, 0), "SystemdUnavailable", false),
	)

	It("finds the exit of a failed start though systemd already tries again", func(ctx SpecContext) {
		s.bus.result = "failed"
		s.bus.first, s.bus.firstTimes = exit("success", 0, 0), 3
		s.bus.props["web0.service"] = exit("exit-code", 1, 217)
		f := start(ctx)
		Expect(f.Reason).To(Equal("SandboxFailed"))
		Expect(f.Own).To(BeFalse())
	})

	It("blames the program when the next try of a failed start runs on", func(ctx SpecContext) {
		s.bus.result = "failed"
		s.bus.props["web0.service"] = exit("success", 0, 0)
		f := start(ctx)
		Expect(f.Reason).To(Equal("ExitedAtStart"))
		Expect(f.Own).To(BeTrue())
	})

	DescribeTable("reads the state when the job's result is not heard, and asks only once",
		func(ctx SpecContext, active, sub string, want func(error)) {
			s.bus.result = ""
			s.bus.setRow("web0.service", active, sub, 0)
			s.bus.props["web0.service"] = exit("exit-code", 1, 3)
			want(s.manager.Start(ctx, "web0", v1.Primary))
			Expect(s.bus.count("Restart")).To(Equal(1))
		},
		Entry("it runs", "active", "running", func(err error) { Expect(err).NotTo(HaveOccurred()) }),
		Entry("it failed", "failed", "failed", func(err error) { Expect(providers.ReasonOf(err)).To(Equal("ExitedAtStart")) }),
		Entry("it is on its way", "activating", "start", func(err error) { Expect(err).To(MatchError(providers.ErrUnavailable)) }),
	)

	It("does not wait for a program that has not told yet that it is ready", func(ctx SpecContext) {
		s.bus.result = ""
		s.bus.setRow("web0.service", "activating", "start", 42)
		s.bus.props["web0.service"] = map[string]any{"Type": "notify"}
		began := time.Now()
		Expect(s.manager.Start(ctx, "web0", v1.Primary)).To(Succeed())
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
		Expect(s.bus.count("Restart")).To(Equal(1))
	})

	It("waits as long as the job is there, and no longer than it may", func(ctx SpecContext) {
		s.bus.result = ""
		s.bus.setRow("web0.service", "activating", "start", 42)
		short, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
		defer cancel()
		Expect(s.manager.Start(short, "web0", v1.Primary)).To(MatchError(providers.ErrUnavailable))
		Expect(short.Err()).To(HaveOccurred())
	})

	DescribeTable("does not wait for a unit that somebody takes away meanwhile, nor blames the release", func(ctx SpecContext, load string) {
		s.bus.result = ""
		s.bus.rows["web0.service"] = systemd.Row{Name: "web0.service", LoadState: load, ActiveState: "activating", SubState: "start", JobId: 42}
		began := time.Now()
		f := start(ctx)
		Expect(f.Reason).To(Equal("UnitVanished"))
		Expect(f.Own).To(BeFalse())
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
		Expect(s.bus.count("Stop")).To(Equal(1), "what was begun is ended")
	},
		Entry("removed", "not-found"),
		Entry("masked", "masked"),
	)

	It("is not repeated when the question itself got lost", func(ctx SpecContext) {
		s.bus.fail["Restart"] = failure{dbus.ErrClosed, 1}
		Expect(s.manager.Start(ctx, "web0", v1.Primary)).To(MatchError(providers.ErrUnavailable))
		Expect(s.bus.count("Restart")).To(Equal(1))
	})

	It("passes on systemd's refusal", func(ctx SpecContext) {
		s.bus.fail["Restart"] = failure{dbus.Error{Name: "org.freedesktop.systemd1.UnitMasked", Body: []any{"Unit web0.service is masked."}}, 1}
		f := start(ctx)
		Expect(f.Reason).To(Equal("JobRefused"))
		Expect(f.Own).To(BeFalse())
		Expect(f.Message).To(ContainSubstring("masked"))
	})
})

func exit(result string, code, status int32) map[string]any {
	return map[string]any{"Result": result, "ExecMainCode": code, "ExecMainStatus": status}
}

var _ = Describe("options", func() {
	It("refuses paths that unit files would read differently", func() {
		for _, path := range []string{"", "relative", "/with space", "/per%cent", "/trailing/"} {
			_, err := systemd.New(systemd.Options{Paths: providers.Paths{StateDir: path, UnitDir: "/etc/systemd/system"}})
			Expect(err).To(HaveOccurred(), "%q", path)
		}
	})
})
