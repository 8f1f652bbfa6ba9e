package install_test

import (
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/config"
	"deployer/test/env"
	"deployer/test/suites/stage"
)

// report is what `install -o json` prints.
type report struct {
	Steps []struct{ Result, What, Note string }
	// Doctor is its findings.
	Doctor []struct {
		Check, Message string
		OK             bool
	}
}

// notOK are the lines that say that something was not as it should be.
func (r report) notOK() []string {
	out := []string{}
	for _, l := range r.Steps {
		if l.Result != "ok" {
			out = append(out, l.Result+" "+l.What)
		}
	}
	return out
}

// ill are the doctor's findings, but for the clock: it is the outer machine's, and nobody
// says of it that it is synchronised.
func (r report) ill() []string {
	out := []string{}
	for _, f := range r.Doctor {
		if !f.OK && f.Check != "clock" {
			out = append(out, f.Check+": "+f.Message)
		}
	}
	return out
}

var _ = Describe("deployerctl install", Ordered, func() {
	const (
		name  = "web"
		state = `find /etc/biz-deployer /etc/systemd /etc/caddy /usr/local/bin /etc/passwd -printf '%p %m %u %s %T@ %l\n' | sort`
	)
	// install ends with 0, or with 3 where only the clock is to blame.
	install := func(ctx SpecContext, program string, args ...string) report {
		GinkgoHelper()
		r := s.Run(ctx, s.Biz, append([]string{program, "install", "-o", "json"}, args...)...)
		Expect(r.Code).To(BeElementOf(0, 3), r.String())
		Expect(r.Err).To(BeEmpty())
		var out report
		Expect(json.Unmarshal([]byte(r.Out), &out)).To(Succeed(), r.Out)
		return out
	}
	wish := func() []string {
		return []string{"--store", s.Lab.S3.URL("s3", env.AWSProfile), "--trusted-key", s.Key}
	}
	pid := func(ctx SpecContext, unit string) string {
		return s.OK(ctx, s.Biz, "systemctl", "show", "-P", "MainPID", unit)
	}

	It("says what it would do, and does nothing, in a dry run; and wants root for the rest", func(ctx SpecContext) {
		before := s.Shell(ctx, s.Biz, state)
		out := s.OK(ctx, s.Biz, append([]string{"deployerctl", "install", "--dry-run"}, wish()...)...)
		Expect(strings.Split(out, "\n")).To(ContainElements(
			HavePrefix("ok            /usr/local/bin/biz-deployer"), HavePrefix("would make    /etc/biz-deployer/config.yaml: host biz, store s3://"),
			HavePrefix("would make    /etc/systemd/system/caddy.service"), "would make    biz-deployer.service: enabled, started",
		))
		Expect(s.Shell(ctx, s.Biz, state)).To(Equal(before))
		s.OK(ctx, s.Biz, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "deployerctl", "install", "--dry-run")
		r := s.Run(ctx, s.Biz, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "deployerctl", "install")
		Expect(r.Code).To(Equal(2), r.String())
	})

	It("sets the machine up in one command, and doctor has nothing to say", func(ctx SpecContext) {
		stage.Within(5*time.Second, "install → doctor", func() {
			r := install(ctx, "deployerctl", wish()...)
			Expect(r.notOK()).To(ConsistOf(
				"made /etc/biz-deployer", "made /var/lib/biz-deployer", "made /var/lib/biz-secrets", "made /nix/var/nix/gcroots/biz",
				"made /etc/biz-deployer/config.yaml", "made /etc/systemd/system/biz-deployer-boot.service",
				"made /etc/systemd/system/biz-deployer.service", "made /etc/caddy/caddy.json", "made /etc/systemd/system/caddy.service",
				"changed systemd", "made biz-deployer-boot.service", "made caddy.service", "made biz-deployer.service",
			))
			Expect(r.ill()).To(BeEmpty())
		})
		unit, err := s.Biz.Read(ctx, "/etc/systemd/system/biz-deployer.service")
		Expect(err).NotTo(HaveOccurred())
		Expect(unit).To(Equal(config.Units()["biz-deployer.service"]), "what is installed is what is in the repository")
	})

	It("changes nothing the second time, whatever runs", func(ctx SpecContext) {
		before, daemon, caddy := s.Shell(ctx, s.Biz, state), pid(ctx, "biz-deployer"), pid(ctx, "caddy")
		for _, args := range [][]string{wish(), nil} {
			r := install(ctx, "deployerctl", args...)
			Expect(r.notOK()).To(BeEmpty())
			Expect(r.ill()).To(BeEmpty())
		}
		Expect(s.Shell(ctx, s.Biz, state)).To(Equal(before))
		Expect([]string{pid(ctx, "biz-deployer"), pid(ctx, "caddy")}).To(Equal([]string{daemon, caddy}))
	})

	It("leaves a host that deploys, and comes back from a reboot", func(ctx SpecContext) {
		s.Add(ctx, stage.Web(name, 8080))
		s.Push(ctx, name, "one")
		s.OK(ctx, s.Biz, "deployerctl", "sync", "--wait")
		answers := func() string {
			// No public authority signs for a test host, so it is asked on port 80.
			return s.Run(ctx, s.Biz, "curl", "-sS", "--max-time", "5", "-H", "Host: "+stage.Domain(name), "http://127.0.0.1/").Out
		}
		Eventually(answers).WithTimeout(stage.Patience).Should(Equal("one\n"))
		Expect(s.Biz.Reboot(ctx)).To(Succeed())
		Eventually(answers).WithTimeout(stage.Patience).Should(Equal("one\n"))
		s.WaitSettled(ctx, name)
		Expect(install(ctx, "deployerctl").notOK()).To(BeEmpty())
	})

	It("upgrades from a newer build, and touches no service", func(ctx SpecContext) {
		// The same programs with a byte more are another version.
		s.Shell(ctx, s.Biz, `mkdir -p /root/bin && cp /usr/local/bin/deploy* /usr/local/bin/biz-deployer /root/bin/ && for p in /root/bin/*; do echo >>$p; done`)
		service, daemon := s.WaitSettled(ctx, name).Slots[v1.Primary].MainPID, pid(ctx, "biz-deployer")
		Expect(install(ctx, "/root/bin/deployerctl").notOK()).To(ConsistOf(
			"changed /usr/local/bin/biz-deployer", "changed /usr/local/bin/deployerctl", "changed /usr/local/bin/deploy-manifest",
			"changed /usr/local/bin/deploy-push", "changed biz-deployer.service",
		))
		Expect(pid(ctx, "biz-deployer")).NotTo(Equal(daemon))
		Expect(s.WaitSettled(ctx, name).Slots[v1.Primary].MainPID).To(Equal(service))
	})

	It("keeps what somebody wrote, says so and ends with an error, until it is forced", func(ctx SpecContext) {
		s.Shell(ctx, s.Biz, `echo '# by hand' >>/etc/systemd/system/caddy.service`)
		r := s.Run(ctx, s.Biz, "deployerctl", "install", "--host", "other")
		Expect(r.Code).To(BeElementOf(1, 3), r.String())
		Expect(strings.Split(r.Out, "\n")).To(ContainElements(
			HavePrefix("ok       caddy: left as it is, for /etc/systemd/system/caddy.service is not ours"),
			And(HavePrefix("kept     /etc/biz-deployer/config.yaml: host is biz there, and other is asked for"), ContainSubstring("--force")),
		))
		Expect(s.Shell(ctx, s.Biz, "tail -n 1 /etc/systemd/system/caddy.service")).To(Equal("# by hand\n"))

		out := install(ctx, "deployerctl", "--force")
		Expect(out.notOK()).To(ConsistOf("changed /etc/systemd/system/caddy.service", "changed systemd", "changed caddy.service"))
		Expect(s.Shell(ctx, s.Biz, "tail -n 1 /etc/systemd/system/caddy.service.bak")).To(Equal("# by hand\n"))
		Expect(out.ill()).To(BeEmpty())
		s.WaitSettled(ctx, name)
	})
})
