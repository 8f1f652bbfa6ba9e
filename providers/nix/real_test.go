package nix_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/nix"
	"deployer/test/env"
)

const nowhere = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nowhere"

var _ = Describe("A real Nix", Label("real"), func() {
	if !env.Inside() {
		return
	}

	conformance.Closures(func() conformance.ClosuresHost {
		host := newRealHost()
		return conformance.ClosuresHost{
			Closures: host.Manager,
			Publish:  host.publish,
			Absent:   nowhere,
			Collect:  func() { nixStore("--gc") },
			Delete:   func(storePath string) { Expect(os.RemoveAll(storePath)).To(Succeed()) },
			Alter:    alter,
			Unpublish: func(storePath string) {
				Expect(host.store.Delete(context.Background(), narinfoKey(storePath))).To(Succeed())
			},
		}
	})

	var host *realHost
	BeforeEach(func() { host = newRealHost() })

	gone := func([]byte) []byte { return nil }
	flip := func(data []byte) []byte { data[len(data)/2] ^= 0xff; return data }
	replace := func(pattern, by string) func([]byte) []byte {
		return func(data []byte) []byte { return regexp.MustCompile(pattern).ReplaceAll(data, []byte(by)) }
	}

	DescribeTable("survives F17: registers nothing of a bad closure, says why, and pulls it once the cache is good again",
		func(ctx SpecContext, damage func(root, dep string) (restore func()), reason, message string) {
			web := host.publish("web")
			dep := host.dependency(web, "-greeting")
			restore := damage(web, dep)

			err := host.Pull(ctx, web)
			Expect(err).To(HaveOccurred())
			GinkgoWriter.Println(err)
			Expect(providers.ReasonOf(err)).To(Equal(reason))
			Expect(err.Error()).To(MatchRegexp(message))
			Expect(err.Error()).NotTo(ContainSubstring("127.0.0.1"), "the gateway's token is a secret")
			var fault *providers.Fault
			Expect(err).To(BeAssignableToTypeOf(fault))
			facts, err := host.Observe(ctx, web)
			Expect(err).NotTo(HaveOccurred())
			Expect(facts[web].Valid).To(BeFalse())

			restore()
			Expect(host.Pull(ctx, web)).To(Succeed())
			facts, err = host.Observe(ctx, web)
			Expect(err).NotTo(HaveOccurred())
			Expect(facts[web].Valid && facts[web].OnDisk).To(BeTrue())
		},
		Entry("the closure is missing", func(root, _ string) func() { return host.spoil(narinfoKey(root), gone) },
			nix.ClosureMissing, `web.* is in no cache: push it with deploy-push`),
		Entry("a dependency is missing", func(_, dep string) func() { return host.spoil(narinfoKey(dep), gone) },
			nix.ClosureMissing, `greeting is in no cache`),
		Entry("the NAR of a dependency is missing", func(_, dep string) func() { return host.spoil(host.narKey(dep), gone) },
			nix.NarCorrupt, `damaged copy`),
		Entry("a NAR is flipped", func(root, _ string) func() { return host.spoil(host.narKey(root), flip) },
			nix.NarCorrupt, `damaged copy`),
		Entry("a NAR is truncated", func(root, _ string) func() {
			return host.spoil(host.narKey(root), func(d []byte) []byte { return d[:len(d)/2] })
		}, nix.NarCorrupt, `damaged copy`),
		Entry("a NAR is empty", func(_, dep string) func() {
			return host.spoil(host.narKey(dep), func([]byte) []byte { return []byte{} })
		}, nix.NarCorrupt, `damaged copy`),
		Entry("a NAR is another path's", func(root, dep string) func() {
			other := host.read(host.narKey(dep))
			return host.spoil(host.narKey(root), func([]byte) []byte { return other })
		}, nix.NarCorrupt, `damaged copy`),
		Entry("the narinfo is another path's", func(root, dep string) func() {
			other := host.read(narinfoKey(dep))
			return host.spoil(narinfoKey(root), func([]byte) []byte { return other })
		}, nix.NarCorrupt, `is about`),
		Entry("the narinfo is garbage", func(_, dep string) func() {
			return host.spoil(narinfoKey(dep), func([]byte) []byte { return []byte("<html>captive portal</html>") })
		}, nix.NarCorrupt, `damaged`),
		Entry("nobody signed a dependency", func(_, dep string) func() {
			return host.spoil(narinfoKey(dep), replace(`(?m)^Sig: .*\n`, ""))
		}, nix.SignatureMissing, `greeting is not signed`),
		Entry("a stranger signed it", func(root, _ string) func() {
			return host.spoil(narinfoKey(root), replace(`Sig: ours-1`, "Sig: theirs-1"))
		}, nix.SignatureInvalid, `none of the trusted keys \(only by theirs-1\)`),
		Entry("what is signed was altered", func(_, dep string) func() {
			return host.spoil(narinfoKey(dep), replace(`NarSize: `, "NarSize: 1"))
		}, nix.SignatureInvalid, `claims to be by ours-1 and is not`),
		Entry("the store gives no answer", func(_, _ string) func() {
			return host.faults.fail("", providers.ErrUnavailable)
		}, "StoreUnreachable", `no answer`),
		Entry("the store refuses NARs", func(_, _ string) func() {
			return host.faults.fail("nar/", &providers.Fault{Reason: "AccessDenied", Message: "you may not", Err: providers.ErrUnavailable})
		}, "AccessDenied", `you may not`),
	)

	It("enforces signatures in Nix itself, not only before it", func(ctx SpecContext) {
		// A cache that shows the preflight a good narinfo and Nix an altered one.
		web := host.publish("web")
		good := host.read(narinfoKey(web))
		host.write(narinfoKey(web), regexp.MustCompile(`(?m)^Sig: .*\n`).ReplaceAll(good, nil))
		options := host.options
		options.Objects = &twoFaced{Objects: host.store, key: narinfoKey(web), first: good}
		manager, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		err = manager.Pull(ctx, web)
		Expect(err).To(HaveOccurred())
		Expect(providers.ReasonOf(err)).To(Equal(nix.SignatureInvalid))
		Expect(web).NotTo(BeADirectory())
	})

	It("survives F20: fetches a dependency again whose files are gone though it is valid", func(ctx SpecContext) {
		web := host.publish("web")
		dep := host.dependency(web, "-greeting")
		Expect(host.Root(ctx, "web-f20", web)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(host.Unroot(ctx, "web-f20")).To(Succeed()) })
		Expect(host.Pull(ctx, web)).To(Succeed())
		Expect(os.Remove(dep)).To(Succeed())

		// The cached look is at most 30 s old; a new manager looks afresh.
		fresh, err := nix.New(host.options)
		Expect(err).NotTo(HaveOccurred())
		facts, err := fresh.Observe(ctx, web)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts[web].Valid).To(BeTrue())
		Expect(facts[web].OnDisk).To(BeFalse())
		Expect(host.Pull(ctx, web)).To(Succeed())
		Expect(dep).To(BeARegularFile())
		nixStore("--verify-path", web, dep)
	})

	It("finds one altered bit of a dependency, repairs it, and leaves it in place when the cache's copy is damaged, too", func(ctx SpecContext) {
		web := host.publish("web")
		dep := host.dependency(web, "-greeting")
		Expect(host.Root(ctx, "web-altered", web)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(host.Unroot(ctx, "web-altered")).To(Succeed()) })
		Expect(host.Pull(ctx, web)).To(Succeed())
		alter(dep)
		seen, err := host.Verify(ctx, providers.VerifyRequest{StorePaths: []string{web, web}})
		Expect(err).NotTo(HaveOccurred())
		Expect(seen.Paths).To(Equal(len(requisites(web))))
		Expect(seen.Altered).To(HaveExactElements(HaveField("StorePath", dep)))

		restore := host.spoil(host.narKey(dep), flip)
		err = host.Repair(ctx, dep)
		Expect(providers.ReasonOf(err)).To(Equal(nix.NarCorrupt))
		Expect(dep).To(BeARegularFile(), "what is in use is not deleted for nothing")
		restore()
		Expect(host.Repair(ctx, dep)).To(Succeed())
		nixStore("--verify-path", web, dep)
	})

	It("replaces files that lie where an unregistered path belongs", func(ctx SpecContext) {
		web := host.publish("web")
		Expect(os.MkdirAll(filepath.Join(web, "bin"), 0o755)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(web, "bin", "evil"), []byte("#!/bin/sh\n"), 0o755)).To(Succeed())
		Expect(host.Pull(ctx, web)).To(Succeed())
		nixStore("--verify-path", web)
		Expect(filepath.Join(web, "bin", "evil")).NotTo(BeAnExistingFile())
	})

	It("survives F18: goes on after a pull was cut off in the middle", func(ctx SpecContext) {
		big := host.publishBlobs("big", 20, 2<<20)
		Expect(host.Root(ctx, "big-f18", big)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(host.Unroot(ctx, "big-f18")).To(Succeed()) })
		// Half of the way through the NARs the caller goes away.
		options := host.options
		cut, cancel := context.WithCancel(ctx)
		options.Objects = &counting{Objects: host.store, prefix: "nar/", after: 12, do: cancel}
		manager, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		Expect(manager.Pull(cut, big)).To(MatchError(context.Canceled))
		units, _, err := local("systemctl", "list-units", "--all", "--no-legend", "biz-deployer-nix-*")
		Expect(err).NotTo(HaveOccurred())
		Expect(units).To(BeEmpty(), "no unit is left")
		before := len(present(big, host))
		Expect(before).To(And(BeNumerically(">", 0), BeNumerically("<", 23)), "some of its 23 paths came")

		Expect(host.Pull(ctx, big)).To(Succeed())
		facts, err := host.Observe(ctx, big)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts[big].Valid && facts[big].OnDisk).To(BeTrue())
		Expect(host.Stats().Sent).To(BeNumerically("<", 23*(2<<20)), "what came before the cut was not fetched again")
	})

	It("survives F21: gives up when Nix hangs, and says so", func(ctx SpecContext) {
		web := host.publish("web")
		options := host.options
		options.PullTimeout = 2 * time.Second
		release := make(chan struct{})
		options.Objects = &counting{Objects: host.store, prefix: "nar/", after: 1, do: func() { <-release }}
		DeferCleanup(func() { close(release) })
		manager, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		began := time.Now()
		err = manager.Pull(ctx, web)
		Expect(providers.ReasonOf(err)).To(Equal(nix.PullTimeout))
		Expect(time.Since(began)).To(BeNumerically("<", 15*time.Second))
	})

	It("keeps the gateway's address out of everybody's sight", func(ctx SpecContext) {
		web := host.publish("web")
		var seen []byte
		options := host.options
		options.Objects = &counting{Objects: host.store, prefix: "nar/", after: 1, do: func() {
			for _, f := range glob("/proc/[0-9]*/cmdline") {
				data, _ := os.ReadFile(f)
				seen = append(seen, bytes.ReplaceAll(data, []byte{0}, []byte(" "))...)
			}
			out, _, _ := local("sh", "-c", "systemctl show 'biz-deployer-nix-*'")
			seen = append(seen, out...)
		}}
		manager, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		Expect(manager.Pull(ctx, web)).To(Succeed())
		Expect(string(seen)).To(ContainSubstring("--realise"), "the spec saw Nix run")
		Expect(string(seen)).NotTo(ContainSubstring("http://127.0.0.1"))
	})

	It("pulls and observes without dbus-daemon, and with a proxy in systemd's environment", func(ctx SpecContext) {
		_, _, err := local("systemctl", "set-environment", "http_proxy=http://127.0.0.1:9", "https_proxy=http://127.0.0.1:9")
		Expect(err).NotTo(HaveOccurred())
		_, _, err = local("systemctl", "stop", "dbus.socket", "dbus.service")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() {
			_, _, err := local("systemctl", "unset-environment", "http_proxy", "https_proxy")
			Expect(err).NotTo(HaveOccurred())
			_, _, err = local("systemctl", "start", "dbus.socket")
			Expect(err).NotTo(HaveOccurred())
		})
		web := host.publish("web")
		Expect(host.Pull(ctx, web)).To(Succeed())
	})

	It("never builds, even when the store knows how", func(ctx SpecContext) {
		web := host.build("web", 0, 0)
		deleteLocally(web)
		err := host.Pull(ctx, web)
		Expect(providers.ReasonOf(err)).To(Equal(nix.ClosureMissing))
		Expect(web).NotTo(BeADirectory())
	})

	It("fetches many paths at once, over a store that is far away", func(ctx SpecContext) {
		big := host.publishBlobs("big", 30, 1<<16)
		options := host.options
		far := &distant{Objects: host.store, latency: 30 * time.Millisecond}
		options.Objects = far
		manager, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		began := time.Now()
		Expect(manager.Pull(ctx, big)).To(Succeed())
		GinkgoWriter.Printf("33 paths at 30 ms: %v, %d NARs and %d narinfos at once\n", time.Since(began), far.most("nar/"), far.most(""))
		Expect(far.most("nar/")).To(BeNumerically(">=", 4))
		Expect(far.most("")).To(BeNumerically(">=", 8))
	})

	It("leaves nothing behind in its directory", func(ctx SpecContext) {
		web := host.publish("web")
		Expect(host.Pull(ctx, web)).To(Succeed())
		Expect(glob(filepath.Join(host.options.Paths.StateDir, "nix", "*"))).To(BeEmpty())
	})

	It("asks Nix nothing while nobody writes its database, and a few times for many paths", func(ctx SpecContext) {
		var paths []string
		for range 3 {
			paths = append(paths, host.publish("web"))
		}
		runs := &countingRunner{Runner: nix.SystemdRunner{Dir: filepath.Join(host.options.Paths.StateDir, "nix")}}
		options := host.options
		options.Queries = runs
		manager, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		for i, p := range paths {
			Expect(manager.Root(ctx, "many-"+string(rune('a'+i)), p)).To(Succeed())
			Expect(host.Pull(ctx, p)).To(Succeed())
		}
		for _, p := range paths {
			facts, err := manager.Observe(ctx, p)
			Expect(err).NotTo(HaveOccurred())
			Expect(facts[p].Valid).To(BeTrue())
		}
		Expect(runs.n).To(Equal(1), "the first question took all roots along")
		began := time.Now()
		_, err = host.Observe(ctx, paths[2])
		Expect(err).NotTo(HaveOccurred())
		GinkgoWriter.Printf("first look after a pull: %v\n", time.Since(began))
		began = time.Now()
		for range 333 {
			for _, p := range paths {
				_, err := manager.Observe(ctx, p)
				Expect(err).NotTo(HaveOccurred())
			}
		}
		GinkgoWriter.Printf("999 looks: %v\n", time.Since(began))
		Expect(runs.n).To(Equal(1))

		for i, p := range paths {
			Expect(manager.Unroot(ctx, "many-"+string(rune('a'+i)))).To(Succeed())
			_ = p
		}
		nixStore("--gc")
		facts, err := manager.Observe(ctx, paths...)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts[paths[0]]).To(Equal(providers.ClosureFacts{}))
	})

	It("signs what somebody else pushed unsigned, if it is the same as ours, and refuses if it is not", func(ctx SpecContext) {
		web := host.build("web", 0, 0)
		_, err := host.publisher.Publish(ctx, providers.PublishRequest{StorePath: web})
		Expect(err).NotTo(HaveOccurred())
		key := narinfoKey(web)
		host.spoil(key, func(d []byte) []byte { return regexp.MustCompile(`(?m)^Sig: .*\n`).ReplaceAll(d, nil) })
		done, err := host.publisher.Publish(ctx, providers.PublishRequest{StorePath: web})
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Paths).To(Equal(3))
		Expect(done.Uploaded).To(BeZero())
		Expect(string(host.read(key))).To(ContainSubstring("Sig: ours-1:"))

		host.spoil(key, func(d []byte) []byte {
			d = regexp.MustCompile(`(?m)^Sig: .*\n`).ReplaceAll(d, nil)
			return []byte(strings.Replace(string(d), "NarHash: sha256:0", "NarHash: sha256:1", 1) + "Sig: theirs-1:" + strings.Repeat("A", 86) + "==\n")
		})
		host.spoil(key, replace(`NarSize: `, "NarSize: 1"))
		_, err = host.publisher.Publish(ctx, providers.PublishRequest{StorePath: web})
		Expect(providers.ReasonOf(err)).To(Equal(nix.CacheConflict))
	})

	It("uploads again what the cache lost or has only half of", func(ctx SpecContext) {
		web := host.build("web", 0, 0)
		_, err := host.publisher.Publish(ctx, providers.PublishRequest{StorePath: web})
		Expect(err).NotTo(HaveOccurred())
		dep := host.dependency(web, "-greeting")
		host.spoil(host.narKey(web), func(d []byte) []byte { return d[:len(d)/2] })
		host.spoil(host.narKey(dep), gone)
		host.spoil(narinfoKey(host.dependency(web, "-config")), func([]byte) []byte { return []byte("<html>") })
		_, err = host.publisher.Publish(ctx, providers.PublishRequest{StorePath: web})
		Expect(err).NotTo(HaveOccurred())
		deleteLocally(web)
		Expect(host.Pull(ctx, web)).To(Succeed())
	})

	It("says that a path is not built yet when it is to be pushed", func(ctx SpecContext) {
		_, err := host.publisher.Publish(ctx, providers.PublishRequest{StorePath: nowhere})
		Expect(providers.ReasonOf(err)).To(Equal(nix.PathInvalid))
	})

	It("does no harm to a closure whose name is mistyped, to push or to pull", func(ctx SpecContext) {
		web := host.build("web", 0, 0)
		_, err := host.publisher.Publish(ctx, providers.PublishRequest{StorePath: web})
		Expect(err).NotTo(HaveOccurred())
		before, mistyped := host.read(narinfoKey(web)), web+"-xxx"
		meant := "the cache has " + filepath.Base(web) + ": is that the one you mean?"
		var lines []string
		_, err = host.publisher.Publish(ctx, providers.PublishRequest{StorePath: mistyped, Progress: func(l string) { lines = append(lines, l) }})
		Expect(providers.ReasonOf(err)).To(Equal(nix.PathInvalid))
		Expect(err).To(MatchError(ContainSubstring(mistyped + " is not in this machine's nix store; " + meant)))
		Expect(lines).To(BeEmpty())
		Expect(host.read(narinfoKey(web))).To(Equal(before))
		deleteLocally(web)
		err = host.Pull(ctx, mistyped)
		Expect(providers.ReasonOf(err)).To(Equal(nix.ClosureMissing))
		Expect(err).To(MatchError(ContainSubstring(meant)))
		Expect(host.Pull(ctx, web)).To(Succeed())
	})

	It("fills no journal with runs of Nix that start and end", func(ctx SpecContext) {
		journal := func() string {
			GinkgoHelper()
			_, _, err := local("journalctl", "--sync")
			Expect(err).NotTo(HaveOccurred())
			out, _, err := local("journalctl", "--quiet", "--output=cat", "--boot", "_PID=1")
			Expect(err).NotTo(HaveOccurred())
			return strings.Join(regexp.MustCompile(`(?m)^.*biz-deployer-nix-.*\n`).FindAllString(out, -1), "")
		}
		runner := nix.SystemdRunner{Dir: GinkgoT().TempDir()}
		before := journal()
		_, err := runner.Run(ctx, nix.Command{Name: "sh", Args: []string{"-c", "true"}})
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.TrimPrefix(journal(), before)).To(BeEmpty())
		_, err = runner.Run(ctx, nix.Command{Name: "sh", Args: []string{"-c", "exit 3"}})
		Expect(err).To(HaveOccurred())
		said := strings.TrimPrefix(journal(), before)
		GinkgoWriter.Println(said)
		Expect(said).To(ContainSubstring("exit-code"), "the journal was read, and failures are still in it")
	})

	It("tells progress in lines, and what was uploaded", func(ctx SpecContext) {
		web := host.build("web", 0, 0)
		var lines []string
		done, err := host.publisher.Publish(ctx, providers.PublishRequest{StorePath: web, Progress: func(l string) { lines = append(lines, l) }})
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Paths).To(Equal(3))
		Expect(done.Uploaded).To(BeNumerically(">", 1<<20))
		Expect(done.SignedBy).To(Equal("ours-1"))
		Expect(lines).To(Equal([]string{"uploading 3 of 3 paths", "reading back what the cache says of 3 paths"}))
	})
})

// alter changes the first file of a path, as a failing disk does.
func alter(storePath string) {
	GinkgoHelper()
	altered := errors.New("altered")
	err := filepath.WalkDir(storePath, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || len(data) == 0 {
			return err
		}
		data[len(data)/2] ^= 1
		if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, data, 0o600)); err != nil {
			return err
		}
		info, err := d.Info()
		return errors.Join(err, os.Chmod(path, info.Mode()), altered)
	})
	Expect(err).To(MatchError(altered), "%s has a file", storePath)
}
