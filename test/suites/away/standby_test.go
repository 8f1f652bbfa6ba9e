package away_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/systemd"
	"deployer/test/suites/stage"
)

const (
	name        = "web"
	port        = 8300
	standbyPort = 21300
	// kills of the standby, each of which is timed.
	kills = 5
)

var _ = Describe("Without the daemon", Ordered, func() {
	paths := providers.DefaultPaths()
	upstream := func(ctx context.Context) string {
		GinkgoHelper()
		data, err := s.Biz.Read(ctx, paths.Upstream(name))
		Expect(err).NotTo(HaveOccurred())
		return string(data)
	}
	// answers is the port of the process that answers a request through Caddy.
	answers := func(ctx context.Context) (string, error) {
		body, err := s.Get(ctx, name, "/info")
		var info struct{ Port string }
		if err == nil {
			err = json.Unmarshal([]byte(body), &info)
		}
		return info.Port, err
	}
	answersFrom := func(ctx context.Context, want int) {
		GinkgoHelper()
		Eventually(ctx, answers).WithContext(ctx).WithTimeout(stage.Patience).Should(Equal(strconv.Itoa(want)))
	}
	shift := func(ctx context.Context, to int) {
		GinkgoHelper()
		file := paths.Upstream(name)
		s.Shell(ctx, s.Biz, fmt.Sprintf("echo 127.0.0.1:%d >%s.new && mv %s.new %s", to, file, file, file))
	}

	BeforeAll(func(ctx SpecContext) {
		s.Deploy(ctx, stage.Web(name, port), "one")
		// The service is removed by the daemon, also when a spec before its return fails.
		DeferCleanup(func(ctx SpecContext) { s.Run(ctx, s.Biz, "systemctl", "enable", "--now", "biz-deployer") })
		s.OK(ctx, s.Biz, "systemctl", "disable", "--now", "biz-deployer")
		startStandby(ctx, paths)
	})

	It("survives F37: the primary has the traffic back when its standby is killed", func(ctx SpecContext) {
		for range kills {
			shift(ctx, standbyPort)
			answersFrom(ctx, standbyPort)
			took := killStandby(ctx, paths.Upstream(name))
			GinkgoWriter.Printf("standby killed → the upstream file names the primary: %s\n", took)
			// Ten times the promise.
			Expect(took).To(BeNumerically("<", time.Second))
			answersFrom(ctx, port)
			Eventually(ctx, func() string { return s.Run(ctx, s.Biz, "systemctl", "is-active", name+"-standby").Out }).
				WithTimeout(stage.Patience).Should(Equal("active\n"), "systemd starts it again")
			Expect(upstream(ctx)).To(Equal(fmt.Sprintf("127.0.0.1:%d\n", port)), "and it gets nothing for that")
		}
	})

	It("gives the traffic back also when the standby is stopped, and when it cannot start", func(ctx SpecContext) {
		shift(ctx, standbyPort)
		s.OK(ctx, s.Biz, "systemctl", "stop", name+"-standby")
		Expect(upstream(ctx)).To(Equal(fmt.Sprintf("127.0.0.1:%d\n", port)))
		s.OK(ctx, s.Biz, "systemctl", "start", name+"-standby")
	})

	It("keeps a standby in front whose boot unit is started once more", func(ctx SpecContext) {
		shift(ctx, standbyPort)
		s.OK(ctx, s.Biz, "systemctl", "restart", "biz-deployer-boot")
		Expect(upstream(ctx)).To(Equal(fmt.Sprintf("127.0.0.1:%d\n", standbyPort)))
		answersFrom(ctx, standbyPort)
	})

	It("survives F37: after a reboot in the middle of a rollout the primary serves, and no standby runs", func(ctx SpecContext) {
		shift(ctx, standbyPort)
		began := time.Now()
		Expect(s.Biz.PowerOff()).To(Succeed())
		Expect(s.Biz.Boot(ctx)).To(Succeed())
		answersFrom(ctx, port)
		GinkgoWriter.Printf("power cut → the primary answers: %s\n", time.Since(began).Round(time.Millisecond))
		Expect(upstream(ctx)).To(Equal(fmt.Sprintf("127.0.0.1:%d\n", port)))
		Expect(s.Run(ctx, s.Biz, "systemctl", "is-active", name+"-standby").Out).To(Equal("inactive\n"))
		Expect(s.Run(ctx, s.Biz, "systemctl", "is-active", "biz-deployer").Out).To(Equal("inactive\n"))
	})

	It("survives F28: a host whose /var is mounted only after systemd has read its units", func(ctx SpecContext) {
		s.Shell(ctx, s.Biz, `cp -a /var /srv/var && rm -r /var/lib/biz-deployer && echo '/srv/var /var none bind 0 0' >>/etc/fstab`)
		Expect(s.Biz.PowerOff()).To(Succeed())
		Expect(s.Biz.Boot(ctx)).To(Succeed())
		Expect(s.Shell(ctx, s.Biz, "findmnt --noheadings --output SOURCE /var || mount | grep ' /var '")).To(ContainSubstring("/srv/var"))
		answersFrom(ctx, port)
		Expect(s.OK(ctx, s.Biz, "journalctl", "--quiet", "--boot", "--unit=biz-deployer-boot")).
			To(ContainSubstring("starting "+name+".service, which systemd did not find"), "else nothing was shown")
	})

	It("is taken up again by the daemon", func(ctx SpecContext) {
		s.OK(ctx, s.Biz, "systemctl", "enable", "--now", "biz-deployer")
		s.WaitSettled(ctx, name)
		s.WaitAnswer(ctx, name, "one")
	})
})

// startStandby starts the release of the primary in the standby slot, too, as a rollout does.
func startStandby(ctx context.Context, paths providers.Paths) {
	GinkgoHelper()
	own := path.Join(paths.Releases(), name)
	data, err := s.Biz.Read(ctx, path.Join(own, "primary", "release.json"))
	Expect(err).NotTo(HaveOccurred())
	var staged struct{ Release v1.Release }
	Expect(json.Unmarshal(data, &staged)).To(Succeed())
	unit, err := systemd.Render(
		providers.UnitSpec{Service: name, Slot: v1.Standby, Release: &staged.Release, StandbyPort: standbyPort},
		systemd.RenderOptions{Paths: paths, Version: 257, Fallback: systemd.DefaultFallback()})
	Expect(err).NotTo(HaveOccurred())
	text := path.Join(paths.Services(), unit.Name)
	Expect(s.Biz.Write(ctx, text, []byte(unit.Text), 0o644)).To(Succeed())
	Expect(s.Biz.Write(ctx, strings.TrimSuffix(text, ".service")+".port", []byte(unit.PortFile), 0o644)).To(Succeed())
	s.Shell(ctx, s.Biz, fmt.Sprintf(`cd %s && cp -P primary standby && ln -s %s %s/ && systemctl daemon-reload && systemctl start %s`,
		own, text, paths.UnitDir, unit.Name))
}

// killStandby kills the standby's process and gives the time until the upstream file names
// the primary: that of its rename, as the host's kernel has it, so that watching costs nothing.
func killStandby(ctx context.Context, file string) time.Duration {
	GinkgoHelper()
	script := fmt.Sprintf(`
pid=$(systemctl show --property=MainPID --value %[1]s-standby) || exit
began=${EPOCHREALTIME/[.,]/}
kill -KILL "$pid" || exit
until [ "$(cat %[2]s)" = 127.0.0.1:%[3]d ]; do sleep 0.1; done
ended=$(stat --format=%%.6Z %[2]s)
echo $((${ended/[.,]/} - began))`, name, file, port)
	out := strings.TrimSpace(s.OK(ctx, s.Biz, "timeout", "20", "bash", "-c", script))
	micros, err := strconv.Atoi(out)
	Expect(err).NotTo(HaveOccurred())
	return time.Duration(micros) * time.Microsecond
}
