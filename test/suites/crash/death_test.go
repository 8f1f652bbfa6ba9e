package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/suites/stage"
)

// longest is more than a rollout takes: three seconds or so.
const longest = 4 * time.Second

// changes are the system calls by which the daemon changes the disk and asks systemd for
// things. Between two of them nobody sees a difference; a kill just before one of them finds
// what a kill by the clock meets once in a thousand times.
var changes = []string{"renameat", "renameat2", "unlinkat", "symlinkat", "mkdirat", "fchmod", "fsync", "sendmsg"}

// death is when the daemon is killed in a rollout: after some time, or, with a call, just
// before the n-th time from then on that one of its threads makes that.
type death struct {
	after time.Duration
	call  string
	n     int
}

func (d death) String() string {
	when := "killed after " + d.after.Round(time.Millisecond).String()
	if d.call != "" {
		when += fmt.Sprintf(", before %s number %d of a thread", d.call, d.n)
	}
	return when
}

// someDeath is by the clock and at a change in turns.
func someDeath(chance *rand.Rand, i int) death {
	d := death{after: time.Duration(chance.Int64N(int64(longest)))}
	if i%2 == 1 {
		d.call, d.n = changes[chance.IntN(len(changes))], 1+chance.IntN(3)
	}
	return d
}

// strike has the daemon die; one that does not make the call that often any more dies at the
// end of the rollout.
func (d death) strike(ctx context.Context) {
	GinkgoHelper()
	By(d.String())
	time.Sleep(d.after)
	if d.call == "" {
		Expect(s.Biz.Kill(ctx, daemon, "SIGKILL")).To(Succeed())
		return
	}
	died, lift := d.ambush(ctx)
	defer lift()
	select {
	case <-died:
	case <-time.After(longest - d.after):
		lift()
		<-died
		Expect(s.Biz.Kill(ctx, daemon, "SIGKILL")).To(Succeed())
		By("it did not, and was killed at the end")
	}
}

// ambush lies in wait for the daemon. The channel closes when that has an end.
func (d death) ambush(ctx context.Context) (ended <-chan struct{}, lift func()) {
	GinkgoHelper()
	pid := strings.TrimSpace(s.OK(ctx, s.Biz, "systemctl", "show", "--property=MainPID", "--value", daemon))
	waiting, lift := context.WithCancel(ctx)
	end := make(chan struct{})
	go func() {
		defer close(end)
		_, _, _ = s.Biz.Exec(waiting, "strace", "-f", "-qq", "-o", "/dev/null", "-p", pid,
			"-e", "trace="+d.call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", d.call, d.n))
	}()
	Eventually(ctx, func(ctx context.Context) string {
		return s.Run(ctx, s.Biz, "grep", "TracerPid", "/proc/"+pid+"/status").Out
	}).WithTimeout(stage.Patience).WithPolling(20*time.Millisecond).
		Should(MatchRegexp(`^TracerPid:\s+[1-9]`), "strace does not get hold of the daemon")
	return end, lift
}
