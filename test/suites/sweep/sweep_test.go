package sweep_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

const (
	roots  = "/nix/var/nix/gcroots/biz/"
	state  = "/var/lib/biz-deployer/"
	units  = "/etc/systemd/system/"
	caddy  = "curl -fsS --unix-socket /run/caddy/admin.sock http://localhost"
	routes = caddy + "/config/apps/http/servers/main/routes"
)

// junk makes, as crashes and hands would, one of everything that is ours and nobody's.
const junk = `set -e
ln -s $CLOSURE ` + roots + `gone-1abcdefghijk
ln -s $CLOSURE ` + roots + `web-1abcdefghijk
ln -s $CLOSURE ` + roots + `.new-web-1abcdefghijk-q3w4e5r6
text=` + state + `services/gone.service
printf '# managed by biz-deployer; service=gone slot=primary; changes are undone\n[Service]\nExecStart=/bin/false\n' >$text
ln -s $text ` + units + `gone.service
ln -s $text ` + units + `multi-user.target.wants/gone.service
ln -s $text ` + units + `.gone.service.biz-deployer
printf '127.0.0.1:9999\n' >` + state + `upstreams/gone
printf '127.0.0.1:' >` + state + `upstreams/.tmp-web
mkdir -p ` + state + `releases/gone ` + state + `releases/web/.tmp-1abcdefghijk-none ` + state + `releases/web/1abcdefghijk-none
echo TOKEN=secret >` + state + `releases/web/1abcdefghijk-none/secrets
systemctl daemon-reload
systemctl start gone || true
systemctl is-failed gone || true
`

// foreign looks as much like ours as somebody else's can.
const foreign = `set -e
ln -s $CLOSURE ` + roots + `keepme
ln -s $CLOSURE ` + roots + `web-backup
printf '[Service]\nExecStart=/bin/sleep infinity\n' >` + units + `theirs.service
systemctl daemon-reload
systemctl start theirs
touch ` + units + `.theirs.swp ` + state + `releases/web/notes.txt
` + routes + ` -X POST -H 'Content-Type: application/json' -d '{"@id":"theirs","match":[{"host":["theirs.example.com"]}]}'
`

// theirs is all of that, and what a change of it would show.
const theirs = `ls -l --time-style=full-iso ` + roots + `keepme ` + roots + `web-backup ` + units + `theirs.service ` + units + `.theirs.swp ` + state + `releases/web/notes.txt
cat ` + units + `theirs.service
systemctl show -P MainPID theirs
` + caddy + `/id/theirs`

// left lists what there still is of the junk.
const left = `ls -d ` + roots + `gone-* ` + roots + `web-1abcdefghijk ` + roots + `.new-* ` +
	state + `services/gone* ` + units + `gone* ` + units + `multi-user.target.wants/gone* ` + units + `.gone* ` +
	state + `upstreams/gone ` + state + `upstreams/.tmp-* ` + state + `releases/gone ` +
	state + `releases/web/.tmp-* ` + state + `releases/web/1abcdefghijk-none 2>/dev/null || true`

var _ = Describe("The sweep", Ordered, func() {
	BeforeAll(func(ctx SpecContext) { s.Deploy(ctx, stage.Web("web", 8080), "one") })

	script := func(text, closure string) string { return strings.ReplaceAll(text, "$CLOSURE", closure) }
	mainPID := func(ctx SpecContext) int { return s.WaitSettled(ctx, "web").Slots[v1.Primary].MainPID }

	It("takes what crashes and hands left of ours, and nothing else", func(ctx SpecContext) {
		closure := s.Release(ctx, "one")
		pid := mainPID(ctx)
		s.Shell(ctx, s.Biz, script(foreign, closure))
		before := s.Shell(ctx, s.Biz, theirs)
		watch := s.StartWatch(ctx, "web", "one")
		s.Shell(ctx, s.Biz, script(junk, closure))
		stage.Within(4*time.Second, "junk of every kind → gone, with looks and a grace of a second", func() {
			Eventually(ctx, func() string { return s.Shell(ctx, s.Biz, left) }).WithTimeout(stage.Patience).WithPolling(200 * time.Millisecond).Should(BeEmpty())
		})
		Expect(s.Shell(ctx, s.Biz, "systemctl list-units --all --no-legend 'gone*'")).To(BeEmpty())
		Expect(s.Shell(ctx, s.Biz, theirs)).To(Equal(before))
		Expect(mainPID(ctx)).To(Equal(pid))
		watch.End()
		events := s.Shell(ctx, s.Biz, "grep '\"Swept\"' "+state+"events.jsonl")
		for _, told := range []string{"root gone-1abcdefghijk", "root web-1abcdefghijk", "unit gone.service", "releases/web/1abcdefghijk-none"} {
			Expect(events).To(ContainSubstring("removed the " + strings.Replace(told, "releases/", "leftover "+state+"releases/", 1)))
		}
		Expect(events).NotTo(ContainSubstring("keepme"))
	})

	It("takes the route of a service that was removed, when somebody brings it back", func(ctx SpecContext) {
		s.Deploy(ctx, stage.Web("once", 8081), "one")
		route := s.Shell(ctx, s.Biz, routes+` | python3 -c '
import json, sys
print(json.dumps(next(r for r in json.load(sys.stdin) if r.get("@id") == "biz-deployer/once")))'`)
		s.Remove(ctx, "once")
		s.Shell(ctx, s.Biz, fmt.Sprintf("%s -X POST -H 'Content-Type: application/json' -d '%s'", routes, route))
		Eventually(ctx, func() string { return s.Shell(ctx, s.Biz, routes) }).WithTimeout(stage.Patience).
			Should(And(Not(ContainSubstring("biz-deployer/once")), ContainSubstring("biz-deployer/web"), ContainSubstring("theirs")))
	})

	It("takes nothing while the store is away, nor what the manifest merely does not mention", func(ctx SpecContext) {
		DeferCleanup(func(ctx SpecContext) { Expect(s.Lab.S3.Start(ctx)).To(Succeed()) })
		root := roots + "gone-1abcdefghijk"
		Expect(s.Lab.S3.Stop(ctx)).To(Succeed())
		Eventually(ctx, func() (*time.Time, error) {
			host, err := s.HostState(ctx)
			return host.Manifest.StaleSince, err
		}).WithTimeout(stage.Patience).ShouldNot(BeNil())
		s.OK(ctx, s.Biz, "ln", "-s", s.Release(ctx, "one"), root)
		Consistently(ctx, func() int { return s.Run(ctx, s.Biz, "test", "-L", root).Code }).
			WithTimeout(5 * time.Second).WithPolling(time.Second).Should(Equal(0))
		Expect(s.Lab.S3.Start(ctx)).To(Succeed())
		Eventually(ctx, func() int { return s.Run(ctx, s.Biz, "test", "-L", root).Code }).WithTimeout(stage.Patience).Should(Equal(1))
		s.WaitSettled(ctx, "web")
	})
})
