package systemd_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/test/env"
)

// What only a real systemd can show.
var _ = Describe("on a real systemd, beyond the contract", Label("host"), func() {
	if !env.Inside() {
		return
	}
	var h *realHost
	var r v1.Release
	var s providers.UnitSpec
	instance := v1.Instance{Revision: "r1", Secrets: v1.NoSecrets}
	BeforeEach(func(ctx SpecContext) {
		h = newRealHost()
		r = h.release("web", conformance.UnitsProgram{})
		s = providers.UnitSpec{Service: "web", Slot: v1.Primary, Release: &r}
	})
	It("keeps no boot waiting for a program that has yet to say that it is ready", func(ctx SpecContext) {
		waitsFor := func() []string {
			GinkgoHelper()
			h.stage(ctx, s.Slot, providers.StageRequest{Instance: instance, Release: r})
			Expect(h.manager.Install(ctx, s)).To(Succeed())
			systemctl("daemon-reload") // targets are put together as units are read
			Expect(systemctl("show", "multi-user.target", "--property=Wants")).To(MatchRegexp(`\bweb\.service`))
			return strings.Fields(strings.TrimPrefix(systemctl("show", "multi-user.target", "--property=After"), "After="))
		}
		Expect(waitsFor()).To(ContainElement("web.service"), "its start is over as it is executed")
		r.HealthType = v1.HealthNotify
		Expect(waitsFor()).NotTo(ContainElement("web.service"))
		shown := systemctl("show", "web.service", "--property=After,Before,Conflicts,Requires")
		Expect(shown).To(And(MatchRegexp(`(?m)^After=.*\bsysinit.target`), MatchRegexp(`(?m)^After=.*\bbasic.target`),
			MatchRegexp(`(?m)^Requires=.*\bsysinit.target`), MatchRegexp(`(?m)^Conflicts=.*\bshutdown.target`), MatchRegexp(`(?m)^Before=.*\bshutdown.target`)))
		facts, err := h.manager.Observe(ctx, s)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Differs).To(BeEmpty())
	})

	run := func(ctx SpecContext) error {
		GinkgoHelper()
		h.stage(ctx, s.Slot, providers.StageRequest{Instance: instance, Release: r})
		Expect(h.manager.Install(ctx, s)).To(Succeed())
		return h.manager.Start(ctx, "web", s.Slot)
	}
	healed := func(ctx SpecContext, says string) {
		GinkgoHelper()
		Eventually(func() ([]string, error) {
			facts, err := h.manager.Observe(ctx, s)
			return facts.Differs, err
		}).Should(ContainElement(ContainSubstring(says)))
		Expect(h.manager.Install(ctx, s)).To(Succeed())
		facts, err := h.manager.Observe(ctx, s)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Differs).To(BeEmpty())
		Expect(facts.Ours).To(BeTrue())
		Expect(facts.Running()).To(BeTrue())
		Expect(facts.Instance).To(Equal(instance.String()))
	}

	DescribeTable("heals F31 in all its forms", func(ctx SpecContext, says string, commands ...string) {
		Expect(run(ctx)).To(Succeed())
		for _, c := range commands {
			out, err := exec.Command("/bin/sh", "-c", c).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), "%s: %s", c, out)
		}
		healed(ctx, says)
	},
		Entry("systemctl set-property", "drop-in", "systemctl set-property web.service CPUWeight=50"),
		Entry("systemctl set-property --runtime", "drop-in", "systemctl set-property --runtime web.service CPUWeight=50"),
		Entry("a drop-in that is loaded", "drop-in", "mkdir -p /etc/systemd/system/web.service.d; printf '[Service]\\nUser=root\\n' >/etc/systemd/system/web.service.d/x.conf; systemctl daemon-reload"),
		Entry("systemctl disable", "disabled", "systemctl disable web.service"),
		Entry("a link that an editor replaced by a file", "replaced", "sed -i s/RestartSec=.*/RestartSec=9s/ /etc/systemd/system/web.service; systemctl daemon-reload"),
		Entry("an edited unit whose mark is gone", "unit file", "echo '[Service]' > /etc/systemd/system/web.service"),
		Entry("a mask that comes before our link", "masked", "mkdir -p /etc/systemd/system.control; ln -s /dev/null /etc/systemd/system.control/web.service; systemctl daemon-reload"),
		Entry("all files deleted", "missing", "rm /var/lib/deployer-test/services/web.service /etc/systemd/system/web.service /etc/systemd/system/multi-user.target.wants/web.service"),
		Entry("all files deleted, and systemd knows", "missing", "rm /var/lib/deployer-test/services/web.service /etc/systemd/system/web.service /etc/systemd/system/multi-user.target.wants/web.service; systemctl daemon-reload"),
	)

	DescribeTable("tells the host's faults from the release's", func(ctx SpecContext, change func(), reason string, own bool) {
		h.stage(ctx, s.Slot, providers.StageRequest{Instance: instance, Release: r})
		change()
		Expect(h.manager.Install(ctx, s)).To(Succeed())
		err := h.manager.Start(ctx, "web", v1.Primary)
		var f *providers.Fault
		Expect(errors.As(err, &f)).To(BeTrue(), "%v", err)
		Expect(f.Reason).To(Equal(reason), "%v", err)
		Expect(f.Own).To(Equal(own))
	},
		Entry("a program that is not there", func() { r.Exec.Command = v1.Command{"bin/nothing"} }, "ExecFailed", true),
		Entry("a user that does not exist", func() {
			no := false
			r.Exec.User, r.Hardening.DynamicUser = "nobody-knows", &no
		}, "SandboxFailed", false),
		Entry("a secrets file that is gone", func() {
			r.EnvFile = "/var/lib/biz-secrets/web.env"
			Expect(os.Remove(filepath.Join(h.paths.Releases(), "web", instance.String(), "secrets"))).To(Succeed())
		}, "StartRefused", false),
		Entry("a required unit that is not there", func() { r.Systemd.Requires = []string{"nosuch.service"} }, "JobRefused", false),
	)

	It("does not wait for a start that somebody removes the unit of, and installs it anew", func(ctx SpecContext) {
		r.HealthType = v1.HealthNotify // which the program never sends
		h.stage(ctx, s.Slot, providers.StageRequest{Instance: instance, Release: r})
		Expect(h.manager.Install(ctx, s)).To(Succeed())
		failed := make(chan error, 1)
		go func() { failed <- h.manager.Start(context.Background(), "web", v1.Primary) }()
		state := func() string { return systemctl("show", "-P", "SubState", "web.service") }
		Eventually(state).Should(Equal("start"))
		for _, path := range []string{h.paths.Services(), h.paths.UnitDir, h.paths.UnitDir + "/multi-user.target.wants"} {
			Expect(os.Remove(filepath.Join(path, "web.service"))).To(Succeed())
		}
		systemctl("daemon-reload")
		var err error
		Eventually(failed).WithTimeout(20 * time.Second).Should(Receive(&err))
		Expect(providers.ReasonOf(err)).To(Equal("UnitVanished"), "%v", err)
		facts, err := h.manager.Observe(ctx, s)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Active).To(Equal("inactive"), "what was begun is ended")

		r.HealthType = ""
		Expect(run(ctx)).To(Succeed())
		Eventually(func() (bool, error) {
			facts, err := h.manager.Observe(ctx, s)
			return facts.Running() && facts.Current, err
		}).Should(BeTrue())
	})

	It("gives secrets to the process and to nobody else", func(ctx SpecContext) {
		r.EnvFile = "/var/lib/biz-secrets/web.env"
		h.stage(ctx, s.Slot, providers.StageRequest{
			Instance: instance, Release: r,
			Secrets: providers.Secret{Content: providers.SecretBytes("TOKEN=canary-4711\n")},
		})
		Expect(h.manager.Install(ctx, s)).To(Succeed())
		Expect(h.manager.Start(ctx, "web", v1.Primary)).To(Succeed())
		Expect(h.saw("web", v1.Primary).Env).To(HaveKeyWithValue("TOKEN", "canary-4711"))
		Expect(systemctl("show", "web.service")).NotTo(ContainSubstring("canary"))
		Expect(systemctl("cat", "web.service")).NotTo(ContainSubstring("canary"))
		path := filepath.Join(h.paths.Releases(), "web", "primary", "secrets")
		out, err := exec.Command("systemd-run", "--wait", "--pipe", "--quiet", "--property=DynamicUser=yes", "cat", path).CombinedOutput()
		Expect(err).To(HaveOccurred())
		Expect(string(out)).To(ContainSubstring("Permission denied"))
	})

	It("gets along without dbus-daemon, and connects again after a daemon-reexec (F29)", func(ctx SpecContext) {
		Expect(run(ctx)).To(Succeed())
		systemctl("daemon-reexec")
		facts, err := h.manager.Observe(ctx, s)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Running()).To(BeTrue())
		systemctl("stop", "dbus.socket", "dbus.service")
		DeferCleanup(func() { systemctl("start", "dbus.socket") })
		r.Exec.Args = []string{"other"}
		Expect(run(ctx)).To(Succeed())
		Expect(h.saw("web", v1.Primary).Args).To(Equal([]string{"other"}))
	})

	It("says ReloadFailed while /run is full, and goes on once it is not (F29)", func(ctx SpecContext) {
		Expect(run(ctx)).To(Succeed())
		Expect(exec.Command("mount", "-o", "remount,size=12m", "/run").Run()).To(Succeed())
		DeferCleanup(func() { _ = exec.Command("mount", "-o", "remount,size=20%", "/run").Run() })
		r.Exec.Args = []string{"other"}
		err := h.manager.Install(ctx, s)
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(providers.ReasonOf(err)).To(Equal("ReloadFailed"), "%v", err)
		Expect(exec.Command("mount", "-o", "remount,size=20%", "/run").Run()).To(Succeed())
		Expect(h.manager.Install(ctx, s)).To(Succeed())
		facts, err := h.manager.Observe(ctx, s)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Differs).To(BeEmpty())
	})

	It("runs the fallback as root when a standby is killed (F37)", func(ctx SpecContext) {
		s.Slot, s.StandbyPort = v1.Standby, 31234
		h.fallback("/usr/bin/mkdir", "-p", "/run/fallback-ran")
		// It also runs when the standby is stopped after the spec, so what was left goes now.
		Expect(os.RemoveAll("/run/fallback-ran")).To(Succeed())
		Expect(run(ctx)).To(Succeed())
		Expect("/run/fallback-ran").NotTo(BeADirectory())
		h.crash("web", v1.Standby)
		Eventually("/run/fallback-ran").WithTimeout(10e9).Should(BeADirectory())
	})

	It("loads every profile and every allow word as it is written", func(ctx SpecContext) {
		words := []string{}
		for _, w := range v1.AllowWords() {
			words = append(words, w.Word)
		}
		for _, profile := range []string{v1.ProfileNone, v1.ProfileStandard, v1.ProfileStrict} {
			r = everything()
			r.Service, r.Exec.User, r.Exec.Group, r.Hardening.Profile = "web", "", "", profile
			r = r.Default()
			Expect(h.manager.Install(ctx, s)).To(Succeed(), profile)
			for _, w := range words {
				r.Hardening.Allow = []string{w}
				Expect(h.manager.Install(ctx, s)).To(Succeed(), "%s %s", profile, w)
			}
		}
	})

	It("scores 1.2 or better in systemd-analyze security", func(ctx SpecContext) {
		Expect(h.manager.Install(ctx, s)).To(Succeed())
		out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--threshold=12", "web.service").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "%s", out)
		Expect(strings.TrimSpace(string(out))).To(ContainSubstring("Overall exposure level"))
	})
})
