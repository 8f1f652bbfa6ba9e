package nix_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/nix"
	"deployer/test/env"
)

var _ = Describe("A real Nix in trouble", Label("real"), func() {
	if !env.Inside() {
		return
	}
	var host *realHost
	BeforeEach(func() { host = newRealHost() })

	usable := func(ctx SpecContext, storePath string) {
		GinkgoHelper()
		facts, err := host.Observe(ctx, storePath)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts[storePath].Valid && facts[storePath].OnDisk).To(BeTrue())
		nixStore(append([]string{"--verify-path"}, requisites(storePath)...)...)
	}
	root := func(ctx SpecContext, name, storePath string) {
		GinkgoHelper()
		Expect(host.Root(ctx, name, storePath)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(host.Unroot(ctx, name)).To(Succeed()) })
	}

	It("survives F18: goes on after each kill -9 of Nix", func(ctx SpecContext) {
		big := host.publishBlobs("big", 12, 1<<20)
		root(ctx, "big-kill", big)
		options := host.options
		for i := 2; i <= 14; i += 4 {
			// Killed at its second, sixth, … NAR.
			options.Objects = &counting{Objects: host.store, prefix: "nar/", after: i, do: killNix}
			manager, err := nix.New(options)
			Expect(err).NotTo(HaveOccurred())
			if err := manager.Pull(ctx, big); err == nil {
				break // it had less to fetch than that
			}
			facts, err := host.Observe(ctx, big)
			Expect(err).NotTo(HaveOccurred())
			Expect(facts[big].Valid).To(BeFalse())
		}
		Expect(host.Pull(ctx, big)).To(Succeed())
		usable(ctx, big)
	})

	It("survives F18: says how much room is missing, before and while it fetches, and pulls when there is room", func(ctx SpecContext) {
		big := host.publishBlobs("big", 4, 4<<20)
		root(ctx, "big-full", big)
		mountStore("10m")
		err := host.Pull(ctx, big)
		Expect(providers.ReasonOf(err)).To(Equal(nix.DiskFull))
		// 16 MiB of blobs and the program, which is of a size of its own.
		Expect(err).To(MatchError(MatchRegexp(`needs 2\d\.\d MB in /nix/store/, and 10\.\d MB are free, of which .*: 1\d\.\d MB \(1\d{7} bytes\) are missing`)))
		unmountStore()

		mountStore("30m")
		options := host.options
		options.Objects = &counting{Objects: host.store, prefix: "nar/", after: 2, do: func() {
			// Somebody else fills the disk meanwhile.
			_ = os.WriteFile("/nix/store/.filler", make([]byte, 24<<20), 0o600)
		}}
		manager, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		err = manager.Pull(ctx, big)
		Expect(providers.ReasonOf(err)).To(Equal(nix.DiskFull))
		Expect(err).To(MatchError(MatchRegexp(`needs [12]\d\.\d MB in /nix/store/, and .* are free, of which .*: \d+\.\d MB \(\d{7,8} bytes\) are missing.*: nix says: error: .*No space left on device`)))
		unmountStore()

		// What was registered meanwhile is valid and not on this disk: the repair at its best.
		Expect(host.Pull(ctx, big)).To(Succeed())
		usable(ctx, big)
	})

	It("survives F19: loses nothing to a collector that runs all the time", func(ctx SpecContext) {
		stop := make(chan struct{})
		var collector sync.WaitGroup
		end := sync.OnceFunc(func() {
			close(stop)
			collector.Wait()
		})
		DeferCleanup(end)
		collections := 0
		var paths []string
		for range 6 {
			paths = append(paths, host.publish("web"))
		}
		collector.Go(func() {
			defer GinkgoRecover()
			for {
				select {
				case <-stop:
					return
				default:
					nixStore("--gc")
					collections++
				}
			}
		})
		for i, p := range paths {
			root(ctx, "gc-"+string(rune('a'+i)), p)
			Expect(host.Pull(ctx, p)).To(Succeed())
			for range 5 {
				facts, err := host.Observe(ctx, p)
				Expect(err).NotTo(HaveOccurred())
				Expect(facts[p].Valid && facts[p].OnDisk).To(BeTrue())
				time.Sleep(50 * time.Millisecond)
			}
		}
		end()
		Expect(collections).To(BeNumerically(">", 3))
		for _, p := range paths {
			usable(ctx, p)
		}
	})

	It("survives F19: keeps a closure that was pulled while a collector had read the roots already", func(ctx SpecContext) {
		web := host.publish("web")
		root(ctx, "gc-window", web)
		options := host.options
		var finished func()
		options.Objects = &counting{Objects: host.store, prefix: host.narKey(web), after: 1, do: func() {
			// By now Nix has noted that it uses the path, for collectors that begin later; it
			// is gone with its note when this one gets to reading it.
			finished = slowCollection()
		}}
		manager, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		Expect(manager.Pull(ctx, web)).To(Succeed())
		finished()
		usable(ctx, web)
	})

	It("survives F19: keeps a closure that was rooted while a collector had read the roots already", func(ctx SpecContext) {
		web := host.build("web", 0, 0)
		finished := slowCollection()
		root(ctx, "gc-window", web)
		finished()
		usable(ctx, web)
	})

	It("survives F21: waits for a locked database no longer than it may, and says so", func(ctx SpecContext) {
		web := host.publish("web")
		options := host.options
		options.QueryTimeout = time.Second
		manager, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		lock, err := os.OpenFile("/nix/var/nix/db/big-lock", os.O_RDWR, 0)
		Expect(err).NotTo(HaveOccurred())
		defer lock.Close()
		Expect(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)).To(Succeed())
		began := time.Now()
		_, err = manager.Observe(ctx, web)
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(providers.ReasonOf(err)).To(Equal(nix.NixUnavailable))
		Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second))
		Expect(syscall.Flock(int(lock.Fd()), syscall.LOCK_UN)).To(Succeed())
		Expect(manager.Observe(ctx, web)).To(HaveKeyWithValue(web, providers.ClosureFacts{}))
	})

	It("pulls and observes from within the daemon's sandbox", func(ctx SpecContext) {
		web := host.publish("web")
		gateway, err := nix.StartGateway(ctx, nix.GatewayOptions{Objects: host.store})
		Expect(err).NotTo(HaveOccurred())
		defer gateway.Close()
		self, err := os.Executable()
		Expect(err).NotTo(HaveOccurred())
		program := "/usr/local/bin/nix-sandbox.test"
		data, err := os.ReadFile(self)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(program, data, 0o755)).To(Succeed())
		out, _, err := local("systemd-run", "--quiet", "--wait", "--pipe",
			"-p", "ProtectSystem=strict", "-p", "ReadWritePaths=/etc/systemd/system -/nix/var/nix/gcroots",
			"-p", "StateDirectory=biz-deployer", "-p", "StateDirectoryMode=0755", "-p", "ProtectHome=read-only",
			"-p", "PrivateTmp=yes", "-p", "PrivateDevices=yes", "-p", "NoNewPrivileges=yes", "-p", "RestrictNamespaces=yes",
			"-p", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "-p", "SystemCallFilter=@system-service",
			"-p", "SystemCallFilter=~@privileged @resources", "-p", "SystemCallErrorNumber=EPERM", "-p", "RestrictSUIDSGID=yes",
			"-p", "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_SYS_PTRACE", "-p", "MemoryDenyWriteExecute=yes",
			"--setenv", "NIX_TEST_SANDBOX="+gateway.URL()+" "+host.publisher.PublicKey()+" "+web,
			program, "-test.v", "-test.run=^TestPullInSandbox$")
		GinkgoWriter.Println(out)
		Expect(err).NotTo(HaveOccurred(), out)
		Expect(out).To(ContainSubstring("--- PASS: TestPullInSandbox"))
		usable(ctx, web)
	})
})

// slowCollection starts a collector that stands still between reading the roots and asking
// who else uses what, and comes back when it does. What it gives waits for its end.
func slowCollection() (finished func()) {
	GinkgoHelper()
	done := make(chan error, 1)
	go func() {
		_, _, err := local("strace", "-f", "-o", "/dev/null", "-e", "trace=openat", "-P", "/proc",
			"-e", "inject=openat:delay_exit=4000000:when=1", "/usr/bin/env", "NIX_REMOTE=local", "nix-store", "--gc")
		done <- err
	}()
	Eventually(func(g Gomega) {
		lock, err := os.Open("/nix/var/nix/gc.lock")
		g.Expect(err).NotTo(HaveOccurred())
		defer lock.Close()
		g.Expect(syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)).NotTo(Succeed())
	}).WithTimeout(3 * time.Second).WithPolling(10 * time.Millisecond).Should(Succeed())
	time.Sleep(500 * time.Millisecond)
	return func() {
		GinkgoHelper()
		Expect(done).NotTo(Receive(), "the collector was still running")
		Eventually(done).WithTimeout(15 * time.Second).Should(Receive(BeNil()))
	}
}

// killNix kills every process of a running pull at once.
func killNix() {
	_, _, err := local("systemctl", "kill", "--signal=SIGKILL", "biz-deployer-nix-*")
	Expect(err).NotTo(HaveOccurred())
}

// mountStore puts a small disk over the store until unmountStore or the end of the spec.
func mountStore(size string) {
	GinkgoHelper()
	Expect(syscall.Mount("tmpfs", "/nix/store", "tmpfs", 0, "mode=1775,size="+size)).To(Succeed())
	DeferCleanup(func() {
		mounts, err := os.ReadFile("/proc/self/mounts")
		Expect(err).NotTo(HaveOccurred())
		for range strings.Count(string(mounts), " "+filepath.Clean("/nix/store")+" tmpfs ") {
			unmountStore()
		}
	})
}

func unmountStore() {
	GinkgoHelper()
	Expect(syscall.Unmount("/nix/store", syscall.MNT_DETACH)).To(Succeed())
}
