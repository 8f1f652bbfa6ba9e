package tell_test

import (
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/controllers/tell"
)

var _ = Describe("why", func() {
	for _, name := range slices.Sorted(maps.Keys(situations())) {
		It("tells of a service that is "+name, func() {
			a, known := tell.Why(situations()[name], now)
			Expect(known).To(BeTrue())
			expectGolden(name, a.Text())
		})
	}

	// The reason has to be in the first two lines, in words that need no manual.
	DescribeTable("has the reason in the first two lines", func(name string, reasons ...string) {
		a, _ := tell.Why(situations()[name], now)
		lines := strings.Split(a.Text(), "\n")
		for _, reason := range reasons {
			Expect(lines[0] + "\n" + lines[1]).To(ContainSubstring(reason))
		}
	},
		Entry(nil, "rolled-back-exited", "exit status 3", "panic: no database at DATABASE_URL", "nothing is down", "deployerctl retry web"),
		Entry(nil, "rolled-back-deadline", "did not get well in time", "500 Internal Server Error", "migration 17 is missing"),
		Entry(nil, "rolled-back-flapping", "did not stay so", "signal SEGV"),
		Entry(nil, "rolled-back-ill-while-soaking", "did not stay so", "503 Service Unavailable"),
		Entry(nil, "rolled-back-exec-check", "bin/check", "queue unreachable"),
		Entry(nil, "rolled-back-not-executable", "cannot be executed"),
		Entry(nil, "rolled-back-never-ready", "did not tell systemd in time"),
		Entry(nil, "rolled-back-other", "something new"),
		Entry(nil, "rolled-back-and-the-last-one-ill-too", "exit status 3", "is not well"),
		Entry(nil, "rolled-back-without-a-daemon", "exit status 3"),
		Entry(nil, "rolled-back-other-secrets", "with the changed secrets file was rolled back", "exit status 3", "nothing is down"),
		Entry(nil, "first-release-bad", "first release", "exit status 3", "NOTHING of it runs"),
		Entry(nil, "closure-missing", "is in no cache", "nothing is down"),
		Entry(nil, "secrets-missing", "/var/lib/biz-secrets/web.env is missing"),
		Entry(nil, "port-taken", "nginx (pid 7) listens there"),
		Entry(nil, "caddy-down", "Caddy does not answer"),
		Entry(nil, "held-on-this-host", "ann@biz", "load test", "in 1 h 59 min", "deployerctl unhold web"),
		Entry(nil, "held-twice", "bob@laptop", "deploy-manifest unhold web", "a hold of this host, too"),
		Entry(nil, "held-in-the-manifest", "bob@laptop", "the database moves", "forever", "deploy-manifest unhold web"),
		Entry(nil, "soaking", "on its way to release 1lt2kb4ngvs1", "for 0 s now"),
		Entry(nil, "waiting-for-a-release", "first release", "deploy-push web"),
		Entry(nil, "settled-but-somebody-else-manages-it", "healed 3 times in 10 min", "somebody else manages this"),
		Entry(nil, "settled-without-a-daemon", "the daemon does not run", "systemctl start biz-deployer"),
		Entry(nil, "ill", "502 Bad Gateway"),
		Entry(nil, "stale-store", "does not answer"),
		Entry(nil, "removing", "lists it as removed", "ann@laptop"),
		Entry(nil, "removed", "taken down 1 h ago", "ann@laptop"),
		Entry(nil, "unlisted", "does not mention it", "remove-service web"),
		Entry(nil, "not-observed", "systemd does not answer"),
	)

	It("keeps the first two lines short enough to be read at once", func() {
		for name, f := range situations() {
			a, _ := tell.Why(f, now)
			for _, line := range a.Short {
				Expect(len([]rune(line))).To(BeNumerically("<=", 240), name+": "+line)
				Expect(line).NotTo(MatchRegexp(`%!|<nil>|, \.|\.\.$|  `), name)
			}
		}
	})

	It("has nothing to tell of a service that the host has never seen", func() {
		a, known := tell.Why(tell.Facts{Service: "nope", Host: "biz"}, now)
		Expect(known).To(BeFalse())
		Expect(a.Service).To(Equal("nope"))
	})

	It("survives facts with holes in them", func() {
		for name, f := range situations() {
			f.Verdicts, f.Deployments, f.Events, f.Manifest = nil, nil, nil, tell.Head{}
			if f.State == nil {
				continue
			}
			f.State.Evidence, f.State.Message, f.State.Since = nil, "", now
			a, known := tell.Why(f, now)
			Expect(known).To(BeTrue(), name)
			Expect(a.Text()).NotTo(MatchRegexp(`%!|<nil>|because \.|because ,`), name)
		}
	})
})
