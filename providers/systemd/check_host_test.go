package systemd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/systemd"
	"deployer/test/env"
)

const checkUnit = "web.check.service"

// question starts a release of web in a slot and gives the question for its command.
func (h *realHost) question(ctx context.Context, slot v1.Slot, r v1.Release, words ...string) providers.ProbeRequest {
	GinkgoHelper()
	q := providers.ProbeRequest{
		Service: "web", Slot: slot, Type: v1.HealthExec, Release: &r,
		Health: v1.Health{
			Exec:    append(v1.Command{"bin/program", checkWord}, words...),
			Timeout: v1.Duration(v1.DefaultHealthTimeout),
		},
	}
	spec := providers.UnitSpec{Service: "web", Slot: slot, Release: &r}
	if slot == v1.Standby {
		spec.StandbyPort, q.Port = 31234, 31234
	}
	h.stage(ctx, slot, providers.StageRequest{
		Instance: v1.Instance{Revision: "r1", Secrets: v1.NoSecrets}, Release: r,
		Secrets: providers.Secret{Content: providers.SecretBytes("TOKEN=canary-4711\n")},
	})
	Expect(h.manager.Install(ctx, spec)).To(Succeed())
	Expect(h.manager.Start(ctx, "web", slot)).To(Succeed())
	return q
}

func (h *realHost) commands() conformance.CommandHost {
	return conformance.CommandHost{
		Probe: h.manager.Check,
		Running: func(ctx context.Context, slot v1.Slot, c conformance.HealthCommand) providers.ProbeRequest {
			word := fmt.Sprint(c.Status)
			if c.Hangs {
				word = "hang"
			}
			return h.question(ctx, slot, h.release("web", conformance.UnitsProgram{}), word)
		},
	}
}

var _ = Describe("health commands on a real systemd", Label("host"), func() {
	if !env.Inside() {
		return
	}
	conformance.Commands(func() conformance.CommandHost { return newRealHost().commands() })

	var h *realHost
	var r v1.Release
	BeforeEach(func() {
		h = newRealHost()
		r = h.release("web", conformance.UnitsProgram{})
	})
	check := func(ctx context.Context, q providers.ProbeRequest) providers.ProbeResult {
		GinkgoHelper()
		result, err := h.manager.Check(ctx, q)
		Expect(err).NotTo(HaveOccurred())
		return result
	}
	// saw is what the newest check printed: it goes to the journal, as the service's.
	saw := func() (seen checkSaw) {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			Expect(exec.Command("journalctl", "--sync").Run()).To(Succeed())
			out, err := exec.Command("journalctl", "--quiet", "--output=cat", "--lines=1", "--unit="+checkUnit, "SYSLOG_IDENTIFIER=web").Output()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(json.Unmarshal(out, &seen)).To(Succeed(), "%s", out)
		}).WithTimeout(10 * time.Second).Should(Succeed())
		return seen
	}
	left := func() string {
		return systemctl("list-units", "--all", "--plain", "--no-legend", "*.check.service")
	}

	It("run as the service's user, with its environment, its secrets and its slot's port", func(ctx SpecContext) {
		r.EnvFile, r.StateDirectory = "/var/lib/biz-secrets/web.env", "web-test"
		r.Env["PORT"], r.Env["AREA"] = "8080", "Live"
		words := []string{"0", "$HOME", "${HOME}", "100%", "%n", "two words", `"`, `\`, "", ";", "é 漢"}
		for slot, port := range map[v1.Slot]string{v1.Primary: "8080", v1.Standby: "31234"} {
			q := h.question(ctx, slot, r, words...)
			Expect(check(ctx, q)).To(Equal(providers.ProbeResult{OK: true, Answer: "exit status 0"}))
			if slot == v1.Standby {
				continue // its lines are in the journal of another unit
			}
			seen := saw()
			Expect(seen.Args).To(Equal(words))
			Expect(seen.Env).To(And(HaveKeyWithValue("AREA", "Live"), HaveKeyWithValue("TOKEN", "canary-4711"), HaveKeyWithValue("PORT", port)))
			process := h.saw("web", slot)
			for _, name := range []string{"RUNTIME_DIRECTORY", "STATE_DIRECTORY"} {
				Expect(seen.Env[name]).To(Equal(process.Env[name]), name)
			}
			Expect(fmt.Sprint(seen.UID)).To(Equal(systemctl("show", "--property=UID", "--value", "web.service")))
			Expect(seen.UID).NotTo(BeZero())
		}
		Expect("/run/biz-web").To(BeADirectory(), "the service keeps what is its own")
		facts, err := h.manager.Observe(ctx, providers.UnitSpec{Service: "web", Slot: v1.Primary, Release: &r})
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Running()).To(BeTrue())
	})

	It("are told their standby's port", func(ctx SpecContext) {
		r.Env["PORT"] = "8080"
		q := h.question(ctx, v1.Standby, r, "0")
		Expect(check(ctx, q).OK).To(BeTrue())
		Expect(exec.Command("journalctl", "--sync").Run()).To(Succeed())
		out, err := exec.Command("journalctl", "--quiet", "--output=cat", "--unit=web-standby.check.service").Output()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(out)).To(And(ContainSubstring(`"PORT":"31234"`), ContainSubstring(`"RUNTIME_DIRECTORY":"/run/biz-web-standby"`)))
	})

	It("show nothing of what they print in their answer, and leave nothing behind", func(ctx SpecContext) {
		r.EnvFile = "/var/lib/biz-secrets/web.env"
		q := h.question(ctx, v1.Primary, r, "3")
		result := check(ctx, q)
		Expect(result).To(Equal(providers.ProbeResult{Reason: "ExecFailed", Answer: "exit status 3; see `journalctl -u web.check`"}))
		Expect(saw().Env).To(HaveKeyWithValue("TOKEN", "canary-4711"))
		Expect(left()).To(BeEmpty())
	})

	It("can end by a signal, and can be missing", func(ctx SpecContext) {
		q := h.question(ctx, v1.Primary, r, "KILL")
		Expect(check(ctx, q)).To(And(HaveField("Reason", "ExecFailed"), HaveField("Answer", HavePrefix("ended by KILL"))))
		q.Health.Exec = v1.Command{"bin/nothing"}
		Expect(check(ctx, q)).To(And(HaveField("Reason", "ExecFailed"), HaveField("Answer", HavePrefix("the command cannot be executed"))))
		Expect(left()).To(BeEmpty())
	})

	It("are no answer when the host cannot run them", func(ctx SpecContext) {
		r.EnvFile = "/var/lib/biz-secrets/web.env"
		q := h.question(ctx, v1.Primary, r, "0")
		Expect(os.Remove(filepath.Join(h.paths.Releases(), "web", "r1-none", "secrets"))).To(Succeed())
		_, err := h.manager.Check(ctx, q)
		Expect(err).To(MatchError(providers.ErrUnavailable))
		no := false
		q.Release.EnvFile, q.Release.Exec.User, q.Release.Hardening.DynamicUser = "", "nobody-knows", &no
		_, err = h.manager.Check(ctx, q)
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(providers.ReasonOf(err)).To(Equal("CheckNotRun"))
		Expect(left()).To(BeEmpty())
	})

	It("end with who waits for them, and take the place of what a dead daemon left", func(ctx SpecContext) {
		q := h.question(ctx, v1.Primary, r, "hang")
		q.Health.Timeout = v1.Duration(time.Minute)
		impatient, giveUp := context.WithTimeout(ctx, time.Second)
		defer giveUp()
		_, err := h.manager.Check(impatient, q)
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(left()).To(BeEmpty())

		for _, leaves := range []string{"sleep 60", "exit 1"} {
			_ = exec.Command("systemd-run", "--quiet", "--no-block", "--service-type=oneshot", "--unit="+checkUnit, "sh", "-c", leaves).Run()
			Eventually(left).Should(ContainSubstring(checkUnit))
			q.Health.Exec = v1.Command{"bin/program", checkWord, "0"}
			Expect(check(ctx, q).OK).To(BeTrue(), leaves)
		}
		Expect(left()).To(BeEmpty())
	})

	It("need no dbus-daemon", func(ctx SpecContext) {
		q := h.question(ctx, v1.Primary, r, "0")
		systemctl("stop", "dbus.socket", "dbus.service")
		DeferCleanup(func() { systemctl("start", "dbus.socket") })
		Expect(check(ctx, q).OK).To(BeTrue())
		q.Health.Exec[2] = "4"
		Expect(check(ctx, q).Answer).To(HavePrefix("exit status 4"))
	})

	It("have the sandbox of the service, whatever the profile and the words", func(ctx SpecContext) {
		var words []string
		for _, w := range v1.AllowWords() {
			words = append(words, w.Word)
		}
		sandboxes := []v1.Hardening{{Profile: v1.ProfileNone}, {Profile: v1.ProfileStandard}, {Profile: v1.ProfileStrict}}
		for some := range slices.Chunk(words, 6) {
			sandboxes = append(sandboxes, v1.Hardening{Profile: v1.ProfileStrict, Allow: some})
		}
		q := h.question(ctx, v1.Primary, r, "sleep")
		q.Health.Timeout = v1.Duration(time.Minute)
		for _, sandbox := range sandboxes {
			r := *q.Release
			r.Exec.User = "" // Default has filled it in
			r.Hardening, r.Resources = sandbox, v1.Resources{MemoryMax: "512M", CPUQuota: "150%", TasksMax: 100}
			h.compare(ctx, q, r.Default())
		}
	})
})

// compare lets systemd show a check's properties beside those of the service's unit.
func (h *realHost) compare(ctx context.Context, q providers.ProbeRequest, r v1.Release) {
	GinkgoHelper()
	Expect(h.manager.Install(ctx, providers.UnitSpec{Service: "web", Slot: v1.Primary, Release: &r})).To(Succeed())
	q.Release = &r
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		result, err := h.manager.Check(running, q)
		if running.Err() == nil {
			fmt.Fprintln(GinkgoWriter, "the check ended:", result, err)
		}
	}()
	defer func() {
		stop()
		<-ended
	}()
	u, err := systemd.Render(providers.UnitSpec{Service: "web", Slot: v1.Primary, Release: &r}, systemd.RenderOptions{Paths: h.paths, Version: 257})
	Expect(err).NotTo(HaveOccurred())
	var names []string
	for line := range strings.Lines(u.Text) {
		key, _, found := strings.Cut(line, "=")
		if found && !slices.Contains(unlikeService, key) && !slices.Contains(names, key) {
			names = append(names, map[string]string{"CPUQuota": "CPUQuotaPerSecUSec", "EnvironmentFile": "EnvironmentFiles"}[key])
			if names[len(names)-1] == "" {
				names[len(names)-1] = key
			}
		}
	}
	show := func(unit string) string { return systemctl("show", unit, "--property="+strings.Join(names, ",")) }
	Eventually(func() string { return systemctl("show", checkUnit, "--property=ActiveState,MainPID") }).
		WithTimeout(10 * time.Second).Should(And(ContainSubstring("activating"), Not(ContainSubstring("MainPID=0"))))
	Expect(show(checkUnit)).To(Equal(show("web.service")), "%+v", r.Hardening)
}

// unlikeService are the settings in which a check is not as the service.
var unlikeService = []string{
	"Description", "After", "RequiresMountsFor", "StartLimitIntervalSec", "Type", "ExecStart", "LoadCredential", "RuntimeDirectory",
	"Restart", "RestartSec", "RestartSteps", "RestartMaxDelaySec", "KillMode", "TimeoutStartSec", "TimeoutStopSec", "WantedBy",
}

// BenchmarkCheck is one health command on a test host, which exits at once.
func BenchmarkCheck(b *testing.B) {
	if !env.Inside() {
		b.Skip("only on a test host: see env.RunInside")
	}
	m, err := systemd.New(systemd.Options{Paths: providers.DefaultPaths()})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	// A release without files: the host's own user, and no environment of a slot is read.
	r := v1.Release{Service: "bench", StorePath: "/usr", Exec: v1.Exec{User: "root"}}.Default()
	dir := filepath.Join(providers.DefaultPaths().Releases(), "bench", "primary")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(filepath.Dir(dir))
	if err := os.WriteFile(filepath.Join(dir, "env"), nil, 0o600); err != nil {
		b.Fatal(err)
	}
	q := providers.ProbeRequest{Service: "bench", Slot: v1.Primary, Release: &r, Health: v1.Health{Exec: v1.Command{"bin/true"}}}
	for b.Loop() {
		if got, err := m.Check(b.Context(), q); err != nil || !got.OK {
			b.Fatal(got, err)
		}
	}
}
