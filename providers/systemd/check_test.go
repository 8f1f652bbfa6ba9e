package systemd_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/systemd"
)

var _ = Describe("a health command", func() {
	const unit = "web.check.service"
	var s *scripted
	var r providers.ProbeRequest
	BeforeEach(func() {
		s = newScripted()
		release := web().Default()
		r = providers.ProbeRequest{
			Service: "web", Slot: v1.Primary, Type: v1.HealthExec, Release: &release,
			Health: v1.Health{Exec: v1.Command{"bin/check", "$HOME", "100%"}, Timeout: v1.Duration(v1.DefaultHealthTimeout)},
		}
	})
	// given are the properties of the unit, as text.
	given := func() map[string]string {
		out := map[string]string{}
		for _, p := range s.bus.transient {
			out[p.Name] = fmt.Sprintf("%v", p.Value.Value())
		}
		return out
	}

	DescribeTable("is judged by how it ended",
		func(ctx SpecContext, result string, props map[string]any, ok bool, reason, answer string) {
			s.bus.result, s.bus.props[unit] = result, props
			got, err := s.manager.Check(ctx, r)
			Expect(err).NotTo(HaveOccurred())
			Expect(got.OK).To(Equal(ok))
			Expect(got.Reason).To(Equal(reason))
			Expect(got.Answer).To(HavePrefix(answer))
			Expect(s.bus.count("StartTransient")).To(Equal(1))
			if !ok {
				Expect(got.Answer).To(HaveSuffix("; see `journalctl -u web.check`"))
				Expect(s.bus.count("ResetFailed")).To(Equal(1), "nothing is left of it")
			}
		},
		Entry("well", "done", nil, true, "", "exit status 0"),
		Entry("with a status", "failed", exit("exit-code", 1, 3), false, "ExecFailed", "exit status 3"),
		Entry("by a signal", "failed", exit("signal", 2, 11), false, "ExecFailed", "ended by SEGV"),
		Entry("by its hardening", "failed", exit("core-dump", 3, 31), false, "ExecFailed", "ended by SYS"),
		Entry("before it began", "failed", exit("exit-code", 1, 203), false, "ExecFailed", "the command cannot be executed"),
		Entry("too late", "failed", exit("timeout", 2, 9), false, "TimedOut", "no exit within 5s"),
	)

	DescribeTable("says nothing of the release when the host could not run it",
		func(ctx SpecContext, result string, props map[string]any) {
			s.bus.result, s.bus.props[unit] = result, props
			_, err := s.manager.Check(ctx, r)
			Expect(err).To(MatchError(providers.ErrUnavailable))
		},
		Entry("its secrets are gone", "failed", exit("resources", 0, 0)),
		Entry("its user does not exist", "failed", exit("exit-code", 1, 217)),
		Entry("somebody stopped it", "canceled", exit("success", 0, 0)),
		Entry("its end was not heard of", "", exit("success", 0, 0)),
	)

	It("is refused, and not run, when systemd refuses it", func(ctx SpecContext) {
		s.bus.fail["StartTransient"] = failure{errDBus, 1}
		_, err := s.manager.Check(ctx, r)
		Expect(providers.ReasonOf(err)).To(Equal("JobRefused"))
	})

	It("takes the place of one that a dead daemon left", func(ctx SpecContext) {
		s.bus.fail["StartTransient"] = failure{dbus.Error{Name: "org.freedesktop.systemd1.UnitExists"}, 1}
		Expect(s.manager.Check(ctx, r)).To(HaveField("OK", true))
		Expect(s.bus.count("Stop")).To(Equal(1))
		Expect(s.bus.count("StartTransient")).To(Equal(2))
	})

	It("runs from the closure, word by word, with the environment of its slot, and within its timeout", func(ctx SpecContext) {
		Expect(s.manager.Check(ctx, r)).To(HaveField("OK", true))
		p := given()
		Expect(p["ExecStartEx"]).To(Equal(fmt.Sprintf("[{%[1]s [%[1]s $HOME 100%%] [no-env-expand]}]", r.Release.StorePath+"/bin/check")))
		Expect(p["TimeoutStartUSec"]).To(Equal("5000000"))
		Expect(p["EnvironmentFiles"]).To(ContainSubstring("/releases/web/primary/"))
		Expect(p["User"]).To(Equal("biz-web"))
		Expect(p["DynamicUser"]).To(Equal("true"))
		Expect(p).NotTo(HaveKey("RuntimeDirectory"), "it would be removed with the check")

		r.Slot, r.Port = v1.Standby, 31234
		Expect(s.manager.Check(ctx, r)).To(HaveField("OK", true))
		files := ""
		for _, p := range s.bus.transient {
			if p.Name == "EnvironmentFiles" {
				files += fmt.Sprint(p.Value.Value())
			}
		}
		Expect(files).To(MatchRegexp(`standby/env.*standby/secrets.*web-standby\.port`))
	})

	It("has every wall of the service's own sandbox, whatever the profile and the words", func(ctx SpecContext) {
		words := [][]string{nil}
		for _, w := range v1.AllowWords() {
			words = append(words, []string{w.Word})
		}
		for _, profile := range []string{v1.ProfileNone, v1.ProfileStandard, v1.ProfileStrict} {
			for _, allow := range words {
				release := everything()
				release.Service, release.Hardening.Profile, release.Hardening.Allow = "web", profile, allow
				release = release.Default()
				r.Release = &release
				Expect(s.manager.Check(ctx, r)).To(HaveField("OK", true), "%s %v", profile, allow)
				unit, err := render(v1.Primary, 257, release)
				Expect(err).NotTo(HaveOccurred())
				for line := range strings.Lines(unit.Text) {
					key, _, _ := strings.Cut(line, "=")
					for _, wall := range []string{"Protect", "Private", "Restrict", "NoNew", "SystemCall", "Capability", "IPAddress", "Memory", "UMask", "User", "Group"} {
						if strings.HasPrefix(key, wall) {
							Expect(given()).To(HaveKey(key), "%s %v", profile, allow)
						}
					}
				}
			}
		}
	})

	DescribeTable("is not run when it is not one",
		func(ctx SpecContext, change func(), says string) {
			change()
			_, err := s.manager.Check(ctx, r)
			Expect(err).To(MatchError(ContainSubstring(says)))
			Expect(s.bus.count("StartTransient")).To(BeZero())
		},
		Entry("no command", func() { r.Health.Exec = nil }, "no health command"),
		Entry("no release", func() { r.Release = nil }, "no release"),
		Entry("a command that climbs out", func() { r.Health.Exec = v1.Command{"../../bin/sh"} }, "health.exec"),
		Entry("a word with a NUL in it", func() { r.Health.Exec = v1.Command{"bin/check", "a\x00b"} }, "NUL"),
		Entry("an unknown profile", func() { r.Release.Hardening.Profile = "lax" }, "profile"),
	)

	It("is ended when nobody waits for it any more", func(ctx SpecContext) {
		s.bus.result = ""
		s.bus.setRow(unit, "activating", "start", 42)
		impatient, giveUp := context.WithTimeout(ctx, 100*time.Millisecond)
		defer giveUp()
		_, err := s.manager.Check(impatient, r)
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(s.bus.count("Stop")).To(Equal(1))
	})

	It("is run again after the connection died", func(ctx SpecContext) {
		s.bus.fail["StartTransient"] = failure{fmt.Errorf("write: %w", syscall.EPIPE), 1}
		_, err := s.manager.Check(ctx, r)
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(s.manager.Check(ctx, r)).To(HaveField("OK", true))
	})
})

var _ = It("names the units of a service, those of its health command among them", func() {
	Expect(systemd.UnitsOf("web")).To(Equal([]string{"web.service", "web-standby.service", "web.check.service", "web-standby.check.service"}))
})
