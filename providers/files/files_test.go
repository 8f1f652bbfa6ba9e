package files_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/files"
)

// host is a directory laid out as a host is, and a watcher of it.
type host struct {
	dir    string
	paths  providers.Paths
	linger string

	mu      sync.Mutex
	names   []string
	noticed int
}

func newHost() *host {
	GinkgoHelper()
	// The name is made anew so that no spec meets the events of another.
	h := &host{dir: GinkgoT().TempDir()}
	h.paths = providers.Paths{
		StateDir: h.at("state"), UnitDir: h.at("units"), RootsDir: h.at("gcroots/biz"), SecretsDir: h.at("secrets"),
	}
	h.linger = h.at("runtime/system")
	return h
}

func (h *host) at(path string) string { return filepath.Join(h.dir, path) }

func (h *host) tell(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	Expect(h.noticed).To(BeNumerically(">", 0), "caches hear of it first")
	h.names = append(h.names, name)
}

// take gives what was told since it was asked last, each name once.
func (h *host) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	seen := map[string]bool{}
	for _, name := range h.names {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	h.names = nil
	return out
}

// settled waits until nothing is told any more, and drops what was.
func (h *host) settled() {
	GinkgoHelper()
	Eventually(func() []string {
		time.Sleep(80 * time.Millisecond)
		return h.take()
	}).WithTimeout(5 * time.Second).Should(BeEmpty())
}

func (h *host) watch() {
	GinkgoHelper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	w := files.New(files.Options{
		Paths: h.paths, UnitDirs: []string{h.at("units/multi-user.target.wants"), h.linger},
		Names: func() []string { return []string{"mail", "web"} },
		EnvFiles: func() map[string][]string {
			return map[string][]string{
				h.at("secrets/web.env"): {"web"}, h.at("secrets/team/shared.env"): {"mail", "web"},
			}
		},
		Notice: func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.noticed++
		},
	})
	go func() {
		defer GinkgoRecover()
		ended <- w.Watch(ctx, h.tell)
	}()
	DeferCleanup(func() {
		stop()
		Eventually(ended).Should(Receive(BeNil()))
	})
	Eventually(h.take).Should(ContainElements("mail", "web"), "at the beginning all are told")
	h.settled()
}

// made has all directories of a host with one service.
func made() *host {
	GinkgoHelper()
	h := newHost()
	h.mkdir("gcroots/biz", "units/multi-user.target.wants", "secrets/team", "runtime/system",
		"state/services", "state/upstreams", "state/releases/web/i1", "state/releases/mail", "store/aaa-web/bin")
	h.write("state/services/web.service", "state/upstreams/web", "secrets/web.env", "state/releases/web/i1/env")
	h.link("i1", "state/releases/web/primary")
	h.link(h.at("store/aaa-web"), "state/releases/web/i1/root")
	h.link("../state/services/web.service", "units/web.service")
	return h
}

func (h *host) mkdir(paths ...string) {
	GinkgoHelper()
	for _, path := range paths {
		Expect(os.MkdirAll(h.at(path), 0o755)).To(Succeed())
	}
}

func (h *host) write(paths ...string) {
	GinkgoHelper()
	for _, path := range paths {
		Expect(os.WriteFile(h.at(path), []byte("x\n"), 0o600)).To(Succeed())
	}
}

func (h *host) link(target, path string) {
	GinkgoHelper()
	temp := h.at(path + ".link")
	Expect(os.Symlink(target, temp)).To(Succeed())
	Expect(os.Rename(temp, h.at(path))).To(Succeed())
}

func (h *host) remove(path string) {
	GinkgoHelper()
	Expect(os.RemoveAll(h.at(path))).To(Succeed())
}

// tells waits for exactly these names.
func (h *host) tells(names ...string) {
	GinkgoHelper()
	var got []string
	Eventually(func() []string {
		got = append(got, h.take()...)
		return got
	}).WithTimeout(5 * time.Second).WithPolling(2 * time.Millisecond).Should(ContainElements(names))
	time.Sleep(80 * time.Millisecond)
	got = append(got, h.take()...)
	for _, name := range got {
		Expect(names).To(ContainElement(name))
	}
}

// quietens waits until nothing more is told: a rename is told in several parts.
func (h *host) quietens() {
	GinkgoHelper()
	Eventually(func() bool {
		time.Sleep(200 * time.Millisecond)
		return len(h.take()) == 0
	}).WithTimeout(5 * time.Second).Should(BeTrue())
}

var _ = Describe("the watcher of files", func() {
	DescribeTable("tells of", func(do func(*host), names ...string) {
		h := made()
		h.watch()
		do(h)
		h.tells(names...)
	},
		Entry("a root", func(h *host) { h.link("/nix/store/x", "gcroots/biz/my-web-1a2b3c") }, "my-web"),
		Entry("a unit's text", func(h *host) { h.write("state/services/web.service") }, "web"),
		Entry("a unit's text that is gone", func(h *host) { h.remove("state/services/web.service") }, "web"),
		Entry("a standby's port", func(h *host) { h.write("state/services/web-standby.port") }, "web"),
		Entry("a unit's link", func(h *host) { h.link("/dev/null", "units/web.service") }, "web"),
		Entry("a unit's link that is gone", func(h *host) { h.remove("units/web.service") }, "web"),
		Entry("an enablement", func(h *host) { h.write("units/multi-user.target.wants/mail.service") }, "mail"),
		Entry("a drop-in", func(h *host) { h.mkdir("units/web.service.d"); h.write("units/web.service.d/x.conf") }, "web"),
		Entry("a drop-in in another place", func(h *host) { h.mkdir("runtime/system/web-standby.service.d") }, "web"),
		Entry("a pointer", func(h *host) { h.link("i2", "state/releases/web/primary") }, "web"),
		Entry("a file of a release", func(h *host) { h.write("state/releases/web/i1/env") }, "web"),
		Entry("a mode", func(h *host) { Expect(os.Chmod(h.at("state/releases/web/i1/env"), 0o644)).To(Succeed()) }, "web"),
		Entry("a service's releases that are gone", func(h *host) { h.remove("state/releases/web") }, "web"),
		Entry("an upstream file", func(h *host) { h.write("state/upstreams/web") }, "web"),
		Entry("a secrets file", func(h *host) { h.write("secrets/web.env") }, "web"),
		Entry("a secrets file's mode", func(h *host) { Expect(os.Chmod(h.at("secrets/web.env"), 0o644)).To(Succeed()) }, "web"),
		Entry("a secrets file that several read", func(h *host) { h.write("secrets/team/shared.env") }, "mail", "web"),
		Entry("a directory of secrets", func(h *host) { Expect(os.Rename(h.at("secrets/team"), h.at("secrets/squad"))).To(Succeed()) }, "mail", "web"),
		Entry("the mode of a directory of all", func(h *host) { Expect(os.Chmod(h.at("state/upstreams"), 0o700)).To(Succeed()) }, "mail", "web"),
		Entry("a store path that a pointer leads to", func(h *host) { h.remove("store/aaa-web") }, "web"),
	)

	DescribeTable("says nothing of", func(do func(*host)) {
		h := made()
		h.watch()
		do(h)
		Consistently(h.take).WithTimeout(150 * time.Millisecond).Should(BeEmpty())
	},
		Entry("what is not finished", func(h *host) { h.write("state/upstreams/.tmp-web", "units/.web.service.biz-deployer") }),
		Entry("looks", func(h *host) {
			_, err := os.ReadFile(h.at("secrets/web.env"))
			Expect(err).NotTo(HaveOccurred())
			_, err = os.ReadDir(h.at("state/releases/web"))
			Expect(err).NotTo(HaveOccurred())
		}),
		Entry("secrets that nobody reads", func(h *host) { h.write("secrets/other.env") }),
		Entry("other files beside ours", func(h *host) { h.write("gcroots/biz/README", "units/my.timer", "state/state.json") }),
		Entry("other store paths", func(h *host) { h.mkdir("store/bbb-other") }),
	)

	It("follows what comes to be: a service, its releases, drop-ins in a directory that is there", func() {
		h := made()
		h.watch()
		h.mkdir("state/releases/api")
		h.tells("api")
		h.mkdir("state/releases/api/i1")
		h.tells("api")
		h.write("state/releases/api/i1/env")
		h.tells("api")
		h.mkdir("units/api.service.d")
		h.tells("api")
		h.write("units/api.service.d/x.conf")
		h.tells("api")
		h.mkdir("secrets/crew")
		h.settled()
		h.mkdir("store/ccc-api")
		h.link(h.at("store/ccc-api"), "state/releases/api/i1/root")
		h.link("i1", "state/releases/api/primary")
		h.tells("api")
		h.settled()
		h.remove("store/ccc-api")
		h.tells("api")
	})

	It("follows a store path that was lost and is there again", func() {
		h := made()
		h.watch()
		for range 3 {
			h.remove("store/aaa-web")
			h.tells("web")
			h.mkdir("store/aaa-web/bin")
			h.tells("web")
			h.settled()
		}
	})

	It("waits for directories that are not there yet, however deep, and follows them", func() {
		h := newHost()
		h.watch()
		h.mkdir("state/releases/web/i1")
		h.tells("mail", "web")
		h.write("state/releases/web/i1/env")
		h.tells("web")
		h.mkdir("secrets")
		h.tells("web", "mail")
		h.write("secrets/web.env")
		h.tells("web")
		h.mkdir("units/multi-user.target.wants", "gcroots/biz")
		h.tells("mail", "web")
		h.write("units/multi-user.target.wants/web.service")
		h.tells("web")
		h.link("/nix/store/x", "gcroots/biz/web-1")
		h.tells("web")
	})

	It("follows directories that are deleted and made again, also at once", func() {
		h := made()
		h.watch()
		for _, path := range []string{"state/upstreams", "gcroots/biz", "units/multi-user.target.wants", "secrets", "state/releases/web", "state"} {
			for range 3 {
				h.remove(path)
				h.mkdir(path)
			}
			h.mkdir("state/upstreams", "state/releases/web")
			h.settled()
			file := map[string]string{
				"gcroots/biz": "gcroots/biz/web-1", "units/multi-user.target.wants": "units/multi-user.target.wants/web.service",
				"secrets": "secrets/web.env", "state/releases/web": "state/releases/web/primary",
			}[path]
			if file == "" {
				file = "state/upstreams/web"
			}
			h.write(file)
			h.tells("web")
		}
	})

	It("follows a directory that takes the place of another by a rename", func() {
		h := made()
		h.watch()
		h.mkdir("new")
		Expect(os.Rename(h.at("state/upstreams"), h.at("old"))).To(Succeed())
		Expect(os.Rename(h.at("new"), h.at("state/upstreams"))).To(Succeed())
		h.tells("mail", "web")
		h.quietens()
		h.write("state/upstreams/web")
		h.tells("web")
		h.write("old/web")
		Consistently(h.take).WithTimeout(150 * time.Millisecond).Should(BeEmpty())
	})

	It("tells all names when the kernel dropped events", func() {
		h := made()
		h.watch()
		// One event more than what the kernel keeps for us is lost; the limit is the host's.
		limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
		Expect(err).NotTo(HaveOccurred())
		var most int
		_, err = fmt.Sscan(string(limit), &most)
		Expect(err).NotTo(HaveOccurred())
		Expect(most).To(BeNumerically("<=", 1<<20))
		h.mu.Lock() // who does not take names holds the watcher up
		for i := range most + 5000 {
			Expect(os.Chmod(h.at("secrets/web.env"), os.FileMode(0o600|i%2*0o040))).To(Succeed())
			if i%2 == 0 {
				Expect(os.Chmod(h.at("state/services/web.service"), 0o600)).To(Succeed()) // equal ones in a row are one
			}
		}
		h.mu.Unlock()
		Eventually(func() []string { return h.take() }).WithTimeout(20 * time.Second).Should(ContainElement("mail"))
	})
})
