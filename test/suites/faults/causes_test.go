package faults_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/load"
	"deployer/test/suites/stage"
)

var _ = Describe("Starts and secrets", func() {
	It("survives F30: a start that never gets ready, and one that dies under its first requests", func(ctx SpecContext) {
		service := stage.Overlapping("notified", 8360)
		service.Artifact.StorePath = s.Release(ctx, "one")
		service.Health.Path, service.Health.Notify = "", true
		service.Health.Deadline = v1.Duration(3 * time.Second)
		good := stage.Changed(service, stage.Change{Release: "good"})
		s.StartService(ctx, good)
		s.WaitAnswer(ctx, service.Name, "good")
		l := s.StartLoad(ctx, few(service.Name))
		silent := stage.Changed(service, stage.Change{Release: "silent", Settings: settings("never-ready", "yes")})
		s.Apply(ctx, silent)
		verdict, _ := s.WaitBad(ctx, silent, good)
		Expect(verdict.Message).To(ContainSubstring("ready"))
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)

		By("and of one that dies under load, no more is lost than what it was working on")
		l = s.StartLoad(ctx, few(service.Name))
		dying := stage.Changed(service, stage.Change{Release: "dying", Settings: settings("exit-after", "2s")})
		dying.Deploy.Soak = v1.Duration(10 * time.Second)
		s.Apply(ctx, dying)
		verdict, _ = s.WaitBad(ctx, dying, good)
		Expect(verdict.Reason).To(Equal("Exited"))
		Expect(strings.Join(verdict.Evidence.Log, "\n")).To(ContainSubstring("exiting with 1, as told"))
		report = l.End()
		AddReportEntry("a release that dies under load", report.String(), ReportEntryVisibilityAlways)
		Expect(report.Total().Releases).To(HaveKey("dying"))
		Expect(report.Total().Failed).To(BeNumerically("<=", report.Total().Connections), "%s", report)
		Expect(report.Of(service.Name, load.Get).Failed).To(BeZero(), "Caddy asks the other one: %s", report)
	})

	It("survives F32: secrets that are missing, exposed, of another owner or a link, and are changed", func(ctx SpecContext) {
		const file = "/var/lib/biz-secrets/sealed.env"
		service := stage.Overlapping("sealed", 8361)
		service.Artifact.StorePath = s.Release(ctx, "one")
		service.EnvFile = file
		write := func(value string) {
			Expect(s.Biz.Write(ctx, file, []byte("SECRET="+value+"\n"), 0o600)).To(Succeed())
		}
		write("first")
		first := s.StartService(ctx, stage.Changed(service, stage.Change{Release: "one"}))
		s.WaitAnswer(ctx, service.Name, "one")
		before := pid(ctx, service.Name)
		l := s.StartLoad(ctx, few(service.Name))
		for reason, script := range map[string]string{
			"SecretsMissing": "mv $1 $1.away",
			"SecretsExposed": "chmod 644 $1",
			"owner":          "chown nobody $1",
			"link":           "mv $1 $1.away; ln -s $1.away $1",
		} {
			By(reason)
			s.OK(ctx, s.Biz, "sh", "-euc", script, "spoil", file)
			st := s.Await(ctx, service.Name, "complaining", func(st v1.ServiceState) bool { return strings.HasPrefix(st.Reason, "Secrets") })
			Expect(st.Message).To(ContainSubstring(file))
			Expect(st.Serving.Instance).To(Equal(first.Serving.Instance))
			s.Shell(ctx, s.Biz, fmt.Sprintf("f=%s; rm -f $f.new; [ ! -e $f.away ] || { rm -f $f; mv $f.away $f; }; chown root $f; chmod 600 $f", file))
			s.Await(ctx, service.Name, "well again", func(st v1.ServiceState) bool { return st.State == v1.Settled })
		}
		Expect(pid(ctx, service.Name)).To(Equal(before), "nothing was restarted for any of it")

		By("and a change goes through a normal rollout")
		write("second")
		Eventually(ctx, func() (string, error) { return s.Get(ctx, service.Name, "/env") }).
			WithTimeout(stage.Patience).Should(MatchRegexp("(?m)^SECRET=second$"))
		s.WaitAtRest(ctx, stage.Changed(service, stage.Change{Release: "one"}))
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
	})
})

var _ = Describe("The health check", func() {
	It("survives F35: a slow one, a redirect and an endless body are judged, and cost nothing", func(ctx SpecContext) {
		service := stage.Overlapping("checked", 8362)
		service.Artifact.StorePath = s.Release(ctx, "one")
		good := stage.Changed(service, stage.Change{Release: "good"})
		s.StartService(ctx, good)
		memory := daemonMemory(ctx)
		for name, settings := range map[string]map[string]string{
			"slow":       settings("health-delay", "1s"),
			"redirected": settings("health-redirect", "http://127.0.0.1:9/nowhere"), // followed, it would fail
			"endless":    settings("health-body", "endless"),
		} {
			By(name)
			next := stage.Changed(service, stage.Change{Release: name, Settings: settings})
			s.Apply(ctx, next)
			s.WaitGood(ctx, next)
		}
		Expect(daemonMemory(ctx)).To(BeNumerically("<", memory+64<<20), "an endless body is not kept")
		s.Apply(ctx, good)
		s.WaitAtRest(ctx, good)
	})
})

// daemonMemory is the daemon's resident memory in bytes.
func daemonMemory(ctx context.Context) int {
	GinkgoHelper()
	var kB int
	out := s.Shell(ctx, s.Biz, "awk '/^VmRSS:/ {print $2}' /proc/$(systemctl show -P MainPID "+daemon+")/status")
	_, err := fmt.Sscan(out, &kB)
	Expect(err).NotTo(HaveOccurred(), out)
	return kB << 10
}

var _ = Describe("Caddy", func() {
	const (
		autosave = "/var/lib/caddy/.config/caddy/autosave.json"
		admin    = "curl -fsS --unix-socket /run/caddy/admin.sock http://localhost"
	)

	It("survives F33: killed in the middle of a release, started with nothing, its autosave cut", func(ctx SpecContext) {
		service := stage.Overlapping("fronted", 8363)
		service.Artifact.StorePath = s.Release(ctx, "one")
		one, two := stage.Changed(service, stage.Change{Release: "one"}), stage.Changed(service, stage.Change{Release: "two"})
		s.StartService(ctx, one)
		s.WaitAnswer(ctx, service.Name, "one")

		By("killed")
		s.Apply(ctx, two)
		Expect(s.Biz.Kill(ctx, "caddy", "SIGKILL")).To(Succeed())
		s.WaitAtRest(ctx, two)
		s.WaitAnswer(ctx, service.Name, "two")

		By("given another configuration")
		stage.Within(time.Second, "Caddy without our routes → routed", func() {
			s.Shell(ctx, s.Biz, admin+"/load -H 'Content-Type: application/json' -d @/etc/caddy/caddy.json")
			s.WaitAnswer(ctx, service.Name, "two")
		})

		By("started with a configuration that was cut short")
		before := pid(ctx, service.Name)
		s.Shell(ctx, s.Biz, "truncate -s 200 "+autosave+" && systemctl kill -s KILL caddy")
		stage.Within(2*time.Second, "Caddy started anew → routed", func() { s.WaitAnswer(ctx, service.Name, "two") })

		By("down while a release comes")
		s.OK(ctx, s.Biz, "systemctl", "stop", "caddy")
		s.Apply(ctx, one)
		st := s.WaitReason(ctx, service.Name, "CaddyUnreachable")
		Expect(st.Message).To(ContainSubstring("caddy"))
		s.OK(ctx, s.Biz, "systemctl", "start", "caddy")
		s.WaitAtRest(ctx, one)
		s.WaitAnswer(ctx, service.Name, "one")
		Expect(pid(ctx, service.Name)).NotTo(Equal(before))
	})
})
