package trouble_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/closure"
	"deployer/test/suites/stage"
)

var _ = Describe("A release that cannot run", Ordered, func() {
	// victim serves release one in every spec, all the time.
	const name = "victim"
	var old *stage.Watch

	BeforeAll(func(ctx SpecContext) { s.Deploy(ctx, stage.Web(name, 8210), "one") })
	BeforeEach(func() { old = s.StartWatch(context.Background(), name, "one") })
	AfterEach(func(ctx SpecContext) {
		old.End()
		By("going back")
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", name, "envFile=", "artifact.storePath="+s.Release(ctx, "one"))
		s.WaitSettled(ctx, name)
	})

	// stays waits for the reason, and that it is what people see.
	stays := func(ctx context.Context, reason, says string) {
		GinkgoHelper()
		st := s.WaitReason(ctx, name, reason)
		Expect(st.Message).To(ContainSubstring(says))
		status := s.Run(ctx, s.Biz, "deployerctl", "status", name)
		Expect(status.Code).NotTo(Equal(0), status.String())
		Expect(status.Out).To(And(ContainSubstring(reason), ContainSubstring(says)))
	}

	It("because its store path is in no cache", func(ctx SpecContext) {
		path := "/nix/store/00000000000000000000000000000000-nowhere"
		s.OK(ctx, s.Laptop, "deploy-manifest", "update", name, path)
		stays(ctx, "ClosureMissing", path)
		doctor := s.Run(ctx, s.Biz, "deployerctl", "doctor", path)
		Expect(doctor.Code).To(Equal(3), doctor.String())
	})

	It("because another key signed it", func(ctx SpecContext) {
		path := s.Build(ctx, s.Laptop, closure.Spec{Name: "app", Release: "stranger"})
		s.OK(ctx, s.Laptop, "deploy-manifest", "keygen", "stranger-1", "--out", "/root/stranger-1.secret")
		s.OK(ctx, s.Laptop, "deploy-push", name, path, "--key", "/root/stranger-1.secret")
		stays(ctx, "SignatureInvalid", "stranger-1")
		s.OK(ctx, s.Laptop, "deploy-push", name, path)
		old.End()
		s.WaitAnswer(ctx, name, "stranger")
		s.OK(ctx, s.Laptop, "deploy-manifest", "update", name, s.Release(ctx, "one"))
		s.WaitAnswer(ctx, name, "one")
		old = s.StartWatch(context.Background(), name, "one")
	})

	It("because its secrets file is missing, or open to others", func(ctx SpecContext) {
		const file = "/var/lib/biz-secrets/victim.env"
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", name, "envFile="+file)
		stays(ctx, "SecretsMissing", file)
		Expect(s.Biz.Write(ctx, file, []byte("A=b\n"), 0o644)).To(Succeed())
		stays(ctx, "SecretsExposed", "chmod 600 "+file)
	})
})

var _ = Describe("A new service", func() {
	It("names who holds its port, and starts when it is free", func(ctx SpecContext) {
		s.OK(ctx, s.Biz, "systemd-run", "--quiet", "--unit=squatter", "caddy", "respond", "--listen", "127.0.0.1:8220")
		DeferCleanup(func(ctx SpecContext) { s.Run(ctx, s.Biz, "systemctl", "stop", "squatter") })
		service := stage.Web("crowded", 8220)
		service.Artifact.StorePath = s.Release(ctx, "one")
		s.AddForNow(ctx, service)
		st := s.WaitReason(ctx, "crowded", "PortTaken")
		Expect(st.Message).To(And(ContainSubstring("8220"), ContainSubstring("held by caddy (pid ")))
		s.OK(ctx, s.Biz, "systemctl", "stop", "squatter")
		s.WaitAnswer(ctx, "crowded", "one")
		s.WaitSettled(ctx, "crowded")
	})

	It("never takes the place of a unit that is not ours", func(ctx SpecContext) {
		service := stage.Web("foreign", 8221)
		service.Artifact.StorePath = s.Release(ctx, "one")
		s.AddForNow(ctx, service)
		st := s.WaitReason(ctx, "foreign", "NameTaken")
		Expect(st.Message).To(ContainSubstring("rename"))
	})
})

const caddyBinary = "/usr/local/bin/caddy"

// asOldCaddy is a Caddy with version 2.00.0 in its build information, in which all else is as
// pinned: the version is all that is looked at.
func asOldCaddy(pinned []byte) []byte {
	GinkgoHelper()
	version := regexp.MustCompile(`(caddyserver/caddy/v2\tv2\.)([0-9]+)\.([0-9]+)`)
	Expect(version.Match(pinned)).To(BeTrue(), "the version is not where it was")
	return version.ReplaceAllFunc(pinned, func(found []byte) []byte {
		parts := version.FindSubmatch(found)
		return fmt.Appendf(nil, "%s%s.%s", parts[1], zeros(parts[2]), zeros(parts[3]))
	})
}

func zeros(digits []byte) []byte { return bytes.Repeat([]byte("0"), len(digits)) }

var _ = Describe("Without Caddy", func() {
	added := func(ctx context.Context, name string, port int) {
		GinkgoHelper()
		service := stage.Web(name, port)
		service.Artifact.StorePath = s.Release(ctx, "one")
		s.AddForNow(ctx, service)
	}
	runs := func(ctx context.Context, name string) {
		GinkgoHelper()
		Eventually(ctx, func() string {
			return s.Run(ctx, s.Biz, "systemctl", "is-active", name).Out
		}).WithTimeout(stage.Patience).Should(Equal("active\n"))
	}

	It("survives F33: services start all the same, and are routed when it is back", func(ctx SpecContext) {
		watch.End() // nothing answers while Caddy is down
		s.OK(ctx, s.Biz, "systemctl", "stop", "caddy")
		added(ctx, "unrouted", 8230)
		runs(ctx, "unrouted")
		st := s.WaitReason(ctx, "unrouted", "CaddyUnreachable")
		Expect(st.Message).To(ContainSubstring("/run/caddy/admin.sock"))
		s.OK(ctx, s.Biz, "systemctl", "start", "caddy")
		stage.Within(2*time.Second, "Caddy back → routed", func() { s.WaitAnswer(ctx, "unrouted", "one") })
		s.WaitSettled(ctx, "unrouted")
		s.WaitAnswer(ctx, steady, "one")
		watch = s.StartWatch(context.Background(), steady, "one")
	})

	It("2.11.1 or newer, routes stay as they are, and a new service waits for its own", func(ctx SpecContext) {
		pinned, err := s.Biz.Read(ctx, caddyBinary)
		Expect(err).NotTo(HaveOccurred())
		exchange := func(ctx context.Context, binary []byte) {
			watch.End()
			Expect(s.Biz.Write(ctx, caddyBinary+".new", binary, 0o755)).To(Succeed())
			s.Shell(ctx, s.Biz, "mv "+caddyBinary+".new "+caddyBinary+" && systemctl restart caddy")
			s.WaitAnswer(ctx, steady, "one")
			watch = s.StartWatch(context.Background(), steady, "one")
		}
		exchange(ctx, asOldCaddy(pinned))
		DeferCleanup(func(ctx SpecContext) {
			s.Shell(ctx, s.Biz, "systemctl is-active caddy")
			Expect(s.Biz.Read(ctx, caddyBinary)).To(Equal(pinned))
		})
		added(ctx, "early", 8231)
		runs(ctx, "early")
		st := s.WaitReason(ctx, "early", "CaddyTooOld")
		Expect(st.Message).To(ContainSubstring("2.11.1"))
		Expect(s.Await(ctx, steady, "Settled", func(st v1.ServiceState) bool { return st.State == v1.Settled }).State).To(Equal(v1.Settled))
		doctor := s.Run(ctx, s.Biz, "deployerctl", "doctor")
		Expect(doctor.Code).To(Equal(3), doctor.String())
		Expect(doctor.Out).To(ContainSubstring("upgrade Caddy to 2.11.1"))
		exchange(ctx, pinned)
		s.WaitAnswer(ctx, "early", "one")
	})
})

var _ = Describe("Without root rights", func() {
	as := func(args ...string) []string {
		return append([]string{"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"}, args...)
	}

	It("the commands of a host say that they need root", func(ctx SpecContext) {
		for _, args := range [][]string{
			{"biz-deployer"},
			{"biz-deployer", "--once"},
			{"deployerctl", "sync"},
			{"deployerctl", "adopt"},
			{"deployerctl", "plan"},
		} {
			said := s.Refuses(ctx, s.Biz, 1, as(args...)...)
			Expect(said).To(ContainSubstring("sudo"), "%v", args)
		}
		status := s.Run(ctx, s.Biz, as("deployerctl", "status")...)
		Expect(status.Code).To(Equal(4), status.String())
		Expect(status.Out).To(ContainSubstring("not root: what follows is what the daemon wrote"))
		Expect(status.Out).To(ContainSubstring(steady))
		doctor := s.Run(ctx, s.Biz, as("deployerctl", "doctor")...)
		Expect(doctor.Code).To(Equal(3), doctor.String())
		Expect(doctor.Out).To(ContainSubstring("run it again with sudo"))
	})
})
