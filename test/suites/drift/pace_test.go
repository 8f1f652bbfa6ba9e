package drift_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The daemon", func() {
	It("makes no pass while nothing happens: what it looks at makes no events", func(ctx SpecContext) {
		Eventually(func() int {
			before := passes(ctx)
			time.Sleep(time.Second)
			return passes(ctx) - before
		}).WithTimeout(20 * time.Second).Should(BeZero())
		before := passes(ctx)
		time.Sleep(10 * time.Second)
		const services = 2 // one full pass may fall into it
		Expect(passes(ctx) - before).To(BeNumerically("<=", services))
	})

	It("fights nobody at full speed: an editor that writes a unit every 100 ms", func(ctx SpecContext) {
		const edits = 100
		before, used := passes(ctx), cpu(ctx)
		s.Shell(ctx, s.Biz, fmt.Sprintf("for i in $(seq %d); do echo '# by hand' >>%s; sleep 0.1; done", edits, text))
		made, used := passes(ctx)-before, cpu(ctx)-used
		AddReportEntry("passes in ten seconds of fighting", fmt.Sprintf("%d passes, %s of CPU", made, used), ReportEntryVisibilityFailureOrVerbose)
		Expect(made).To(BeNumerically("<=", 40))
		Expect(made).To(BeNumerically(">=", 3))
		Expect(used).To(BeNumerically("<=", 3*time.Second))
		calm(ctx)
		heals(ctx, "the fight is over: unit edited", "cp "+text+" "+saved+"; echo '# by hand' >>"+text, "! grep '# by hand' "+text)
	})

	It("leaves what is not ours as it was made, and does not even look at it", func(ctx SpecContext) {
		before := passes(ctx)
		s.Shell(ctx, s.Biz, `echo '# edited by its owner' >>`+unitDir+`/foreign.service
			mkdir -p `+unitDir+`/foreign.service.d; echo '# mine' >`+unitDir+`/foreign.service.d/20-mine.conf
			ln -sfn /etc/passwd /nix/var/nix/gcroots/foreign; ln -sfn /etc/passwd `+rootsDir+`/README
			systemctl stop foreign; systemctl start foreign; sleep 0.5`)
		const services = 2 // one full pass may fall into it
		Expect(passes(ctx) - before).To(BeNumerically("<=", services))
		s.OK(ctx, s.Biz, "systemctl", "daemon-reload") // which concerns all units, ours too
		alien = s.Foreign(ctx)
		time.Sleep(2 * time.Second)
		Expect(s.Foreign(ctx)).To(Equal(alien))
	})
})
