package drift_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/suites/stage"
)

const curl = "curl -fsS --unix-socket " + adminSocket + " "

// routed succeeds when Caddy has the route of the service.
func routed(service string) string {
	return curl + `http://localhost/config/ | grep -q '"@id":"biz-deployer/` + service + `"'`
}

// routes are the elements of the server of all routes, as Caddy has them.
func routes(ctx context.Context) []json.RawMessage {
	GinkgoHelper()
	var list []json.RawMessage
	Expect(json.Unmarshal([]byte(fact(ctx, curl+"http://localhost/config/apps/http/servers/main/routes")), &list)).To(Succeed())
	return list
}

// place is where the route of the broken service is in Caddy's configuration.
func place(ctx context.Context) string {
	GinkgoHelper()
	for i, route := range routes(ctx) {
		if strings.Contains(string(route), `"biz-deployer/`+broken+`"`) {
			return fmt.Sprintf("http://localhost/config/apps/http/servers/main/routes/%d", i)
		}
	}
	Fail("there is no route of ours")
	return ""
}

var _ = Describe("A route", func() {
	It("survives F34: deleted by hand", func(ctx SpecContext) {
		heals(ctx, "route deleted", curl+"-X DELETE "+place(ctx), routed(broken))
	})

	It("survives F34: edited by hand", func(ctx SpecContext) {
		domain := curl + "http://localhost/config/ | grep -q '" + stage.Domain(broken) + "'"
		heals(ctx, "route edited", curl+`-X PATCH -H 'Content-Type: application/json' -d '["thief.example.com"]' `+place(ctx)+"/match/0/host", domain)
	})
})

// What follows takes Caddy itself away, with everything that it serves.
var _ = Describe("Caddy", Ordered, func() {
	var before string

	// The watch of the suite would see what nobody can help.
	BeforeEach(func(ctx SpecContext) {
		watch.End()
		before = fact(ctx, curl+"http://localhost/config/")
	})

	// back puts what is not ours back, and lets the watch go on.
	back := func(ctx context.Context) {
		GinkgoHelper()
		Expect(s.Biz.Write(ctx, "/root/before.json", []byte(before), 0o600)).To(Succeed())
		s.Shell(ctx, s.Biz, curl+"-X POST -H 'Content-Type: application/json' -d @/root/before.json http://localhost/load")
		s.WaitAnswer(ctx, steady, "one")
		s.WaitAnswer(ctx, broken, "two")
	}
	AfterEach(func(ctx SpecContext) {
		back(ctx)
		watch = s.StartWatch(context.Background(), steady, "one")
	})

	// answering waits until the admin API does.
	const answering = `for i in $(seq 2000); do ` + curl + `http://localhost/config/ >/dev/null 2>&1 && break; sleep 0.005; done`

	// forget deletes what Caddy would resume from.
	const forget = "rm $(getent passwd caddy | cut -d: -f6)/.config/caddy/autosave.json"

	// returns measures from the first answer of the admin API.
	returns := func(ctx context.Context, title, breaks string) {
		GinkgoHelper()
		heals(ctx, title+", its admin answers", breaks+"\n"+answering, routed(broken)+" && "+routed(steady))
		s.WaitAnswer(ctx, broken, "two")
		s.WaitAnswer(ctx, steady, "one")
	}

	It("survives F33: killed", func(ctx SpecContext) {
		stage.Within(2*time.Second, "kill -9 of Caddy → both services answer", func() {
			s.OK(ctx, s.Biz, "systemctl", "kill", "--signal=SIGKILL", "caddy")
			s.WaitAnswer(ctx, broken, "two")
			s.WaitAnswer(ctx, steady, "one")
		})
	})

	It("survives F33: restarted with the configuration of its first start", func(ctx SpecContext) {
		returns(ctx, "restarted without its autosave",
			"systemctl stop caddy; "+forget+"; systemctl start caddy")
	})

	It("survives F33: away for a while, said in status, and back without our routes", func(ctx SpecContext) {
		s.OK(ctx, s.Biz, "systemctl", "stop", "caddy")
		s.WaitReason(ctx, broken, "CaddyUnreachable")
		time.Sleep(5 * time.Second) // passes back off meanwhile
		s.Shell(ctx, s.Biz, forget+"; systemctl start --no-block caddy; "+answering)
		stage.Within(time.Second, "Caddy's admin answers → both services answer", func() {
			s.WaitAnswer(ctx, broken, "two")
			s.WaitAnswer(ctx, steady, "one")
		})
	})

	It("survives F33 and F38: restarted with no configuration at all, which answers 200 with nothing; doctor names the cause", func(ctx SpecContext) {
		const dropIn = "/run/systemd/system/caddy.service.d/empty.conf"
		Expect(s.Biz.Write(ctx, dropIn, []byte("[Service]\nEnvironment=CADDY_ADMIN=unix/"+adminSocket+"|0600\nExecStart=\nExecStart=/usr/local/bin/caddy run\n"), 0o644)).To(Succeed())
		heals(ctx, "restarted empty, its admin answers", "systemctl daemon-reload; systemctl restart caddy\n"+answering, routed(broken)+" && "+routed(steady))
		doctor := s.Run(ctx, s.Biz, "deployerctl", "doctor")
		Expect(doctor.Code).To(Equal(3), doctor.String())
		Expect(doctor.Out).To(ContainSubstring("it runs without --resume"))
		// Its autosave knows nothing of the admin socket, which only the environment named.
		s.Shell(ctx, s.Biz, "rm "+dropIn+"; systemctl daemon-reload; systemctl stop caddy; "+forget+"; systemctl start caddy; "+answering)
	})

	It("survives F38: somebody's caddy reload of a Caddyfile", func(ctx SpecContext) {
		const caddyfile = "{\n\tadmin unix/" + adminSocket + "|0600\n\tlocal_certs\n\tskip_install_trust\n}\nother.example.com {\n\trespond other\n}\n"
		Expect(s.Biz.Write(ctx, "/root/Caddyfile", []byte(caddyfile), 0o644)).To(Succeed())
		reload := "caddy reload --config /root/Caddyfile --adapter caddyfile --address unix/" + adminSocket
		heals(ctx, "caddy reload", reload, routed(broken)+" && "+routed(steady))
		stage.Within(time.Second, "caddy reload → both services answer", func() {
			s.WaitAnswer(ctx, broken, "two")
			s.WaitAnswer(ctx, steady, "one")
		})
		Expect(fact(ctx, curl+"http://localhost/config/")).To(ContainSubstring("other.example.com"), "what is somebody else's stays")
	})
})
