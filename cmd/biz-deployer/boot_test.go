package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/releases"
)

var _ = Describe("boot", func() {
	const primary, standby = "127.0.0.1:8080\n", "127.0.0.1:31234\n"
	var paths providers.Paths
	var b booter
	var daemon providers.Releases
	BeforeEach(func() {
		dir := GinkgoT().TempDir()
		paths = providers.Paths{StateDir: filepath.Join(dir, "state")}
		daemon = releases.New(releases.Options{Paths: paths})
		b = booter{
			releases:    releases.New(releases.Options{Paths: paths, Second: "boot"}),
			credentials: filepath.Join(dir, "credentials"),
		}
	})
	// stage points the slot to a release that listens on 8080, and on 31234 as a standby.
	stage := func(ctx context.Context, service string, slot v1.Slot, port int) {
		GinkgoHelper()
		i := v1.Instance{Revision: "1" + string(slot), Secrets: v1.NoSecrets}
		r := v1.Release{Service: service, StorePath: "/nix/store/00000000000000000000000000000000-web", InternalPort: port}.Default()
		Expect(daemon.Stage(ctx, providers.StageRequest{Instance: i, Release: r, StandbyPort: 31234})).To(Succeed())
		Expect(daemon.Point(ctx, service, slot, i.String())).To(Succeed())
	}
	upstream := func(service string) string {
		data, err := os.ReadFile(paths.Upstream(service))
		if err != nil {
			return err.Error()
		}
		return string(data)
	}
	write := func(service, content string) {
		GinkgoHelper()
		Expect(os.MkdirAll(paths.Upstreams(), 0o755)).To(Succeed())
		Expect(os.WriteFile(paths.Upstream(service), []byte(content), 0o644)).To(Succeed())
	}
	inode := func(service string) uint64 {
		GinkgoHelper()
		info, err := os.Stat(paths.Upstream(service))
		Expect(err).NotTo(HaveOccurred())
		return info.Sys().(*syscall.Stat_t).Ino
	}
	runs := func(service string) {
		GinkgoHelper()
		Expect(os.MkdirAll(filepath.Join(b.credentials, v1.UnitName(service, v1.Standby)), 0o700)).To(Succeed())
	}

	DescribeTable("gives the traffic of a standby that ended to the primary",
		func(ctx SpecContext, before string) {
			stage(ctx, "web", v1.Primary, 8080)
			stage(ctx, "web", v1.Standby, 8080)
			write("web", before)
			runs("web") // systemd takes its credentials away only later
			Expect(b.giveBack(ctx, []string{"web"})).To(Succeed())
			Expect(upstream("web")).To(Equal(primary))
		},
		Entry("when it had the traffic", standby),
		Entry("when the file is empty", ""),
		Entry("when it has a stray byte", "127.0.0.1:8080 \n"),
		Entry("when it names neither slot", "127.0.0.1:9\n"),
	)

	It("writes nothing when the primary has the traffic", func(ctx SpecContext) {
		stage(ctx, "web", v1.Primary, 8080)
		write("web", primary)
		before := inode("web")
		Expect(b.giveBack(ctx, []string{"web"})).To(Succeed())
		Expect(inode("web")).To(Equal(before))
	})

	It("points to where the primary will be when the first release ever ran in the standby", func(ctx SpecContext) {
		stage(ctx, "web", v1.Standby, 8080)
		write("web", standby)
		Expect(b.giveBack(ctx, []string{"web"})).To(Succeed())
		Expect(upstream("web")).To(Equal(primary))
	})

	It("makes no file for a worker, nor for what is not there", func(ctx SpecContext) {
		stage(ctx, "worker", v1.Primary, 0)
		Expect(b.giveBack(ctx, []string{"worker", "nobody"})).To(Succeed())
		Expect(paths.Upstream("worker")).NotTo(BeAnExistingFile())
		Expect(paths.Upstream("nobody")).NotTo(BeAnExistingFile())
	})

	It("goes on with the others when one cannot be helped, and says so", func(ctx SpecContext) {
		stage(ctx, "web", v1.Primary, 8080)
		write("web", standby)
		err := b.giveBack(ctx, []string{"No Name", "web"})
		Expect(err).To(MatchError(ContainSubstring("No Name")))
		Expect(upstream("web")).To(Equal(primary))
	})

	It("after a boot, does so for every service", func(ctx SpecContext) {
		for i := range 5 {
			name := fmt.Sprintf("web%d", i)
			stage(ctx, name, v1.Primary, 8080+i)
			stage(ctx, name, v1.Standby, 8080+i)
			write(name, standby)
		}
		Expect(b.afterBoot(ctx)).To(Succeed())
		for i := range 5 {
			Expect(upstream(fmt.Sprintf("web%d", i))).To(Equal("127.0.0.1:" + strconv.Itoa(8080+i) + "\n"))
		}
	})

	It("leaves a standby alone that runs, when its unit is started once more", func(ctx SpecContext) {
		for _, name := range []string{"rolling", "settled"} {
			stage(ctx, name, v1.Primary, 8080)
			stage(ctx, name, v1.Standby, 8080)
			write(name, standby)
		}
		runs("rolling")
		Expect(b.afterBoot(ctx)).To(Succeed())
		Expect(upstream("rolling")).To(Equal(standby))
		Expect(upstream("settled")).To(Equal(primary))
	})

	It("never leaves half a file when the daemon shifts at the same time", func(ctx SpecContext) {
		stage(ctx, "web", v1.Primary, 8080)
		write("web", primary)
		done := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			defer GinkgoRecover()
			defer close(done)
			for range 60 {
				Expect(daemon.Shift(ctx, "web", 31234)).To(Succeed())
				Expect(daemon.Shift(ctx, "web", 8080)).To(Succeed())
			}
		})
		all.Go(func() {
			defer GinkgoRecover()
			for {
				Expect(b.giveBack(ctx, []string{"web"})).To(Succeed())
				select {
				case <-done:
					return
				default:
				}
			}
		})
		all.Go(func() {
			defer GinkgoRecover()
			for {
				Expect(upstream("web")).To(BeElementOf(primary, standby))
				select {
				case <-done:
					return
				default:
				}
			}
		})
		all.Wait()
		Expect(b.giveBack(ctx, []string{"web"})).To(Succeed())
		Expect(upstream("web")).To(Equal(primary))
	})
})
