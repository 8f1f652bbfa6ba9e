package drift_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/suites/stage"
)

const (
	text   = stateDir + "/services/broken.service"
	link   = unitDir + "/broken.service"
	wanted = unitDir + "/multi-user.target.wants/broken.service"
	saved  = "/root/broken.service"
	reload = "systemctl daemon-reload"
)

// intact is all that can be broken of a unit, and its process.
const intact = "cmp " + text + " " + saved + " && [ $(readlink " + link + ") = " + text + " ] && [ -L " + wanted + ` ] &&
	! ls ` + unitDir + `/broken.service.d/*.conf && systemctl is-active broken &&
	[ "$(systemctl show -P LoadState broken)" = loaded ] && [ "$(systemctl show -P NeedDaemonReload broken)" = no ] &&
	[ -z "$(systemctl show -P DropInPaths broken)" ]`

var _ = Describe("A unit", func() {
	BeforeEach(func(ctx SpecContext) { s.OK(ctx, s.Biz, "cp", text, saved) })

	DescribeTable("survives F31:", func(ctx SpecContext, breaks string) {
		heals(ctx, CurrentSpecReport().LeafNodeText, breaks, intact)
	},
		Entry("its file edited", "echo '# by hand' >>"+text),
		Entry("its file edited through the link, as editors do", "sed -i s/^UMask=.*/UMask=0000/ "+link),
		Entry("its file edited, and loaded", "sed -i s/^UMask=.*/UMask=0000/ "+text+"; "+reload),
		Entry("its file deleted", "rm "+text),
		Entry("a drop-in added", "mkdir "+link+".d; printf '[Service]\\nNice=5\\n' >"+link+".d/nice.conf"),
		Entry("a drop-in added, and loaded", "mkdir "+link+".d; printf '[Service]\\nNice=5\\n' >"+link+".d/nice.conf; "+reload),
		Entry("a drop-in added to an empty directory", "mkdir "+link+".d; sleep 0.5; printf '[Service]\\nNice=5\\n' >"+link+".d/nice.conf"),
		Entry("a property set by systemctl", "systemctl set-property broken CPUWeight=50"),
		Entry("a property set by systemctl until the next boot", "systemctl set-property --runtime broken CPUWeight=50"),
		Entry("a drop-in that systemctl edit makes until the next boot", "mkdir -p /run/systemd/system/broken.service.d; printf '[Service]\\nNice=5\\n' >/run/systemd/system/broken.service.d/nice.conf; "+reload),
		Entry("masked", "ln -sf /dev/null "+link+"; "+reload),
		Entry("disabled", "systemctl disable broken"),
		Entry("disabled by one link", "rm "+wanted),
		Entry("stopped", "systemctl stop broken"),
		Entry("stopped and disabled", "systemctl disable --now broken"),
		Entry("unlinked", "rm "+link),
		Entry("unlinked, and known to be", "rm "+link+"; "+reload),
		Entry("removed, with its process", "systemctl stop broken; rm "+text+" "+link+" "+wanted+"; "+reload),
		Entry("stopped, and removed in the moment in which it is started again",
			"systemctl stop broken; sleep 0.15; rm "+text+" "+link+" "+wanted+"; "+reload),
		Entry("removed, with the directories of all", "rm -r "+stateDir+"/services "+unitDir+"/multi-user.target.wants/broken.service; "+reload),
		Entry("stopped after systemd was executed anew", "systemctl daemon-reexec; sleep 1; systemctl stop broken"),
	)

	// The daemon stands still meanwhile: otherwise it is faster than any person.
	It("survives F31: edited, loaded and restarted: the process runs by the unit that it should have", func(ctx SpecContext) {
		heals(ctx, "edited, loaded and restarted behind the daemon's back", `systemctl kill --signal=STOP `+daemon+`
			sed -i s/^UMask=.*/UMask=0000/ `+text+`; `+reload+`; systemctl restart broken
			grep -q "^Umask:.*0000" /proc/$(systemctl show -P MainPID broken)/status || exit 1
			systemctl kill --signal=CONT `+daemon,
			intact+` && grep -q "^Umask:.*0077" /proc/$(systemctl show -P MainPID broken)/status`)
	})

	It("is started again by systemd itself within milliseconds when it crashes, and status shows it", func(ctx SpecContext) {
		before := primary(ctx)
		Expect(before.MainPID).NotTo(BeZero())
		stage.Within(time.Second, "kill -9 → active again, and seen", func() {
			s.OK(ctx, s.Biz, "systemctl", "kill", "--signal=SIGKILL", broken)
			Eventually(ctx, func() int { return primary(ctx).MainPID }).WithTimeout(stage.Patience).WithPolling(10 * time.Millisecond).
				ShouldNot(Or(BeZero(), Equal(before.MainPID)))
		})
		Expect(primary(ctx).Restarts).To(BeNumerically(">", before.Restarts))
	})
})
