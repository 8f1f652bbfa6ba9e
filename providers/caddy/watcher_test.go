package caddy

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// told gathers the names that a watcher tells.
type told struct {
	mu    sync.Mutex
	names []string
}

func (t *told) tell(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names = append(t.names, name)
}

// take gives what was told since it was asked last.
func (t *told) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.names
	t.names = nil
	return out
}

var _ = Describe("the watcher", func() {
	var (
		s *caddyServer
		c *Client
		t *told
		w *Watcher
	)
	watch := func() {
		GinkgoHelper()
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error)
		w = c.Watcher(func() []string { return []string{"api", "mail", "web"} })
		go func(w *Watcher, tell func(string)) { ended <- w.Watch(ctx, tell) }(w, t.tell)
		DeferCleanup(func() {
			stop()
			Eventually(ended).Should(Receive(BeNil()))
		})
		Eventually(t.take).Should(Equal([]string{"api", "mail", "web"}), "at the beginning all are told")
	}
	// watchThroughProxy watches anew, where every question can be counted and no change is
	// hinted at.
	watchThroughProxy := func() *counter {
		GinkgoHelper()
		var proxy *counter
		c, proxy = throughProxy(s)
		t = &told{}
		watch()
		return proxy
	}
	// soon is a tenth of the time between two looks: what a hint is for.
	soon := func(name string) {
		GinkgoHelper()
		began := time.Now()
		Eventually(t.take).WithTimeout(10 * time.Second).WithPolling(2 * time.Millisecond).Should(ContainElement(name))
		AddReportEntry("time: told after", time.Since(began).Round(time.Millisecond).String(), ReportEntryVisibilityFailureOrVerbose)
	}
	// at is the address of a service's route: an @id with a slash cannot be used in one.
	at := func(service string) string {
		GinkgoHelper()
		index := slices.Index(s.names("srv0"), idPrefix+service)
		Expect(index).To(BeNumerically(">=", 0))
		return fmt.Sprintf("/config/apps/http/servers/srv0/routes/%d", index)
	}
	silence := func() {
		GinkgoHelper()
		Eventually(func() []string {
			time.Sleep(1200 * time.Millisecond)
			return t.take()
		}).WithTimeout(10 * time.Second).Should(BeEmpty())
	}

	for _, kind := range []string{"unix", "tcp"} {
		Context("of a Caddy with admin over "+kind, func() {
			BeforeEach(func(ctx SpecContext) {
				s, t = startCaddy(kind, foreign...), &told{}
				c = s.client()
				Expect(c.Put(ctx, web)).To(Succeed())
				Expect(c.Put(ctx, api)).To(Succeed())
				watch()
			})

			It("tells of a route that somebody deletes, and of no other", func() {
				s.edit(http.MethodDelete, at("web"), "")
				soon("web")
				Expect(t.take()).To(BeEmpty())
				silence()
			})

			It("tells of a route that somebody edits", func() {
				s.edit(http.MethodPatch, at("api")+"/terminal", "false")
				soon("api")
				silence()
			})

			It("tells of routes that somebody stands a route of his own before", func() {
				s.edit(http.MethodPut, "/config/apps/http/servers/srv0/routes/0",
					`{"@id":"thief","match":[{"host":["web.example.com"]}],"handle":[{"handler":"static_response"}],"terminal":true}`)
				soon("web")
			})

			It("tells nothing of changes of other people", func() {
				s.edit(http.MethodPatch, "/id/site/handle/0/status_code", "404")
				Consistently(t.take).WithTimeout(1500 * time.Millisecond).Should(BeEmpty())
			})

			It("tells of all that another configuration lacks (F38)", func() {
				s.edit(http.MethodPost, "/load", s.config(foreign...))
				soon("web")
			})

			It("lets the next look see what it told of, however new the last one is", func(ctx SpecContext) {
				facts, err := c.Observe(ctx, "web", &web)
				Expect(err).NotTo(HaveOccurred())
				Expect(facts.Current).To(BeTrue())
				s.edit(http.MethodDelete, at("web"), "")
				soon("web")
				facts, err = c.Observe(ctx, "web", &web)
				Expect(err).NotTo(HaveOccurred())
				Expect(facts.Found).To(BeFalse())
			})

			It("tells of all services when Caddy is back (F33), and once when it stays away", func() {
				s.kill()
				if kind == "unix" {
					Expect(os.Remove(strings.TrimSuffix(strings.TrimPrefix(s.admin, "unix/"), "|0600"))).To(Succeed())
				}
				Consistently(t.take).WithTimeout(patience / 2).Should(BeEmpty())
				Eventually(t.take).WithTimeout(5 * time.Second).Should(Equal([]string{"api", "mail", "web"}))
				Consistently(t.take).WithTimeout(time.Second).Should(BeEmpty())
				s.run("run", "--config", s.dir+"/caddy.json")
				began := time.Now()
				Eventually(t.take).WithTimeout(5 * time.Second).WithPolling(2 * time.Millisecond).Should(ContainElements("api", "mail", "web"))
				AddReportEntry("time: told after Caddy answered", time.Since(began).Round(time.Millisecond).String(), ReportEntryVisibilityFailureOrVerbose)
			})

			It("writes nothing, and hardly asks while nothing happens", func() {
				proxy := watchThroughProxy()
				before := proxy.reads.Load()
				time.Sleep(lookEvery + time.Second)
				Expect(proxy.reads.Load() - before).To(BeNumerically("~", 1, 1))
				Expect(proxy.writes.Load()).To(BeZero())
			})

			It("hears the next hint soon after some that were for nothing", func() {
				for range 3 {
					w.hints <- struct{}{}
					time.Sleep(lookEvery / 10)
				}
				Expect(t.take()).To(BeEmpty())
				began := time.Now()
				s.edit(http.MethodDelete, at("web"), "")
				soon("web")
				Expect(time.Since(began)).To(BeNumerically("<", lookEvery/2))
			})

			It("hardly asks while all hints are for nothing", func() {
				proxy := watchThroughProxy()
				before := proxy.reads.Load()
				for end := time.Now().Add(2 * lookEvery); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
					select {
					case w.hints <- struct{}{}:
					default:
					}
				}
				// 100, 200, … 3,200 ms between the first ones, and then no more often than without hints.
				Expect(proxy.reads.Load() - before).To(BeNumerically("<=", 9))
			})

			It("looks every second when changes are not hinted at, as through a proxy", func() {
				watchThroughProxy()
				edit := func(n int) time.Duration {
					GinkgoHelper()
					began := time.Now()
					s.edit(http.MethodPatch, at("web")+"/match/0/host", fmt.Sprintf(`["%d.example.com"]`, n))
					soon("web")
					return time.Since(began)
				}
				for n := range misses {
					Expect(edit(n)).To(BeNumerically("<", 2*lookEvery))
				}
				for n := range 3 {
					Expect(edit(10+n)).To(BeNumerically("<", lookEvery/2), "%d", n)
				}
			})
		})
	}
})
