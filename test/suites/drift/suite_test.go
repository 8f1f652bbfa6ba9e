// Drift on a real host: whatever somebody breaks by hand is back within a second. The full
// pass stays at its default of 60 s, so that only events can heal that fast; a spec fails
// at ten times the promise.
package drift_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

func TestDrift(t *testing.T) {
	stage.Run(t, "drift")
}

const (
	// broken is what is broken by hand; steady is never touched, and answers all the time.
	broken, brokenPort = "broken", 8300
	steady             = "steady"
	daemon             = "biz-deployer.service"

	stateDir    = "/var/lib/biz-deployer"
	unitDir     = "/etc/systemd/system"
	rootsDir    = "/nix/var/nix/gcroots/biz"
	secretsFile = "/var/lib/biz-secrets/broken.env"
	adminSocket = "/run/caddy/admin.sock"
)

var (
	s     *stage.Stage
	watch *stage.Watch
	alien string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	s = stage.New(ctx, stage.Options{Config: map[string]any{"poll": map[string]any{"min": "250ms", "max": "1s"}}})
	s.PlantForeign(ctx)
	s.Deploy(ctx, stage.Web(steady, 8301), "one")
	Expect(s.Biz.Write(ctx, secretsFile, []byte("SECRET_KEY=first\n"), 0o600)).To(Succeed())
	service := stage.Web(broken, brokenPort)
	service.EnvFile = secretsFile
	// Two releases, so that a pointer can be set to another one.
	s.Deploy(ctx, service, "one")
	s.Push(ctx, broken, "two")
	s.WaitAnswer(ctx, broken, "two")
	s.WaitSettled(ctx, broken)
	alien = s.Foreign(ctx)
})

// Whatever is broken, what is not answers all the time, and what is not ours stays
// byte-identical.
var _ = BeforeEach(func(ctx SpecContext) {
	calm(ctx)
	watch = s.StartWatch(context.Background(), steady, "one")
})

var _ = AfterEach(func(ctx SpecContext) {
	watch.End()
	s.WaitSettled(ctx, broken)
	s.WaitAnswer(ctx, broken, "two")
	Expect(s.Foreign(ctx)).To(Equal(alien))
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })

// calm makes a new generation of the manifest, which changes nothing: the specs break one
// thing after the other faster than anybody should, and who edits the manifest is not paced.
func calm(ctx context.Context) {
	GinkgoHelper()
	s.OK(ctx, s.Laptop, "deploy-manifest", "set", steady, "commit="+strconv.FormatInt(time.Now().UnixNano(), 16))
	s.WaitGeneration(ctx)
	s.WaitSettled(ctx, broken)
	s.WaitSettled(ctx, steady)
}

// heals breaks something with a script, and waits on the host until a check succeeds. What
// it prints is the time from the end of the script. That something was broken, and not
// mended by itself, is told by the daemon's own log.
func heals(ctx context.Context, title, breaks, check string) {
	GinkgoHelper()
	out := s.Shell(ctx, s.Biz, fmt.Sprintf(`
		healed() { %s; } >/dev/null 2>&1
		changed() { journalctl -q -o cat -u %s --after-cursor="$cursor" | grep -q '"changed the host".*"service":"%s"'; }
		healed || { echo "not well before it is broken" >&2; exit 1; }
		cursor=$(journalctl -q -n 1 --show-cursor -u %s | sed -n 's/^-- cursor: //p')
		%s
		began=$(date +%%s%%N)
		until healed; do
			[ $(($(date +%%s%%N) - began)) -lt 30000000000 ] || { echo "not healed" >&2; exit 1; }
			sleep 0.01
		done
		took=$((($(date +%%s%%N) - began) / 1000))
		for i in $(seq 50); do ! changed || break; sleep 0.05; done
		changed || { echo "the daemon changed nothing" >&2; exit 1; }
		echo $took`, check, daemon, broken, daemon, breaks))
	micros, err := strconv.Atoi(strings.TrimSpace(out))
	Expect(err).NotTo(HaveOccurred(), out)
	stage.Took(time.Second, title+" → healed", time.Duration(micros)*time.Microsecond)
}

// fact is a line of what the host prints.
func fact(ctx context.Context, script string) string {
	GinkgoHelper()
	return strings.TrimSpace(s.Shell(ctx, s.Biz, script))
}

func primary(ctx context.Context) v1.SlotState {
	GinkgoHelper()
	st, err := s.Service(ctx, broken)
	Expect(err).NotTo(HaveOccurred())
	return st.Slots[v1.Primary]
}

// passes is how many passes the daemon has made, of all kinds.
func passes(ctx context.Context) int {
	GinkgoHelper()
	out := s.Shell(ctx, s.Biz, `curl -fsS --unix-socket /run/biz-deployer/control.sock http://deployer/metrics |
		awk '/^deployer_reconciles_total/ {n += $2} END {print n+0}'`)
	n, err := strconv.Atoi(strings.TrimSpace(out))
	Expect(err).NotTo(HaveOccurred())
	return n
}

// cpu is what the daemon has used.
func cpu(ctx context.Context) time.Duration {
	GinkgoHelper()
	out := fact(ctx, `awk '{print $14 + $15}' /proc/$(systemctl show -P MainPID `+daemon+`)/stat`)
	ticks, err := strconv.Atoi(out)
	Expect(err).NotTo(HaveOccurred())
	const perSecond = 100 // USER_HZ, on every Linux
	return time.Duration(ticks) * time.Second / perSecond
}
