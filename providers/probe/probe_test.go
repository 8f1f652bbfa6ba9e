package probe_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/probe"
)

var _ = Describe("a probe", func() {
	var s slot
	BeforeEach(func() { s = newSlot("", os.Getpid()) })
	quick := v1.Health{Timeout: v1.Duration(200 * time.Millisecond)}

	probing := func(ctx context.Context, r providers.ProbeRequest) providers.ProbeResult {
		GinkgoHelper()
		result, err := s.prober.Probe(ctx, r)
		Expect(err).NotTo(HaveOccurred())
		return result
	}

	Describe("asks over HTTP", func() {
		It("with the domain as Host, on a fresh connection each time, and follows no redirect", func(ctx SpecContext) {
			var asked []*http.Request
			port := serve(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r)
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			})
			r := ask(port)
			r.Health.Path = "/healthz"
			for range 2 {
				Expect(probing(ctx, r)).To(Equal(providers.ProbeResult{
					OK: true, URL: fmt.Sprintf("http://127.0.0.1:%d/healthz", port), Answer: "302 Found",
				}))
			}
			Expect(asked).To(HaveLen(2))
			Expect(asked[0].Host).To(Equal("web.example.com"))
			Expect(asked[0].Method).To(Equal(http.MethodGet))
			Expect(asked[0].URL.Path).To(Equal("/healthz"))
			Expect(asked[0].RemoteAddr).NotTo(Equal(asked[1].RemoteAddr))
		})

		DescribeTable("survives F35: and judges in time",
			func(ctx SpecContext, h http.HandlerFunc, reason string) {
				r := ask(serve(h))
				r.Health = quick
				began := time.Now()
				result := probing(ctx, r)
				Expect(time.Since(began)).To(BeNumerically("<", 2*time.Second))
				Expect(result.Reason).To(Equal(reason), "%+v", result)
				Expect(result.OK).To(Equal(reason == ""))
			},
			Entry("a slow answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, probe.ReasonTimedOut),
			Entry("an answer that stalls half-way", func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte("so far"))
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}, probe.ReasonTimedOut),
			Entry("an answer cut short", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("so far"))
			}, probe.ReasonConnectionClosed),
			Entry("a connection closed without a word", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, probe.ReasonConnectionClosed),
		)

		It("survives F35: and reads no more than 64 KB of an endless answer", func(ctx SpecContext) {
			var sent atomic.Int64
			stopped := make(chan struct{})
			r := ask(serve(func(w http.ResponseWriter, _ *http.Request) {
				for {
					n, err := w.Write(make([]byte, 16<<10))
					if err != nil {
						close(stopped)
						return
					}
					sent.Add(int64(n))
				}
			}))
			Expect(probing(ctx, r).OK).To(BeTrue())
			Eventually(stopped).WithTimeout(5 * time.Second).Should(BeClosed())
			Expect(sent.Load()).To(BeNumerically("<", 16<<20), "what the kernel buffers, and no more")
		})

		It("says of something that does not speak HTTP that it does not, without quoting it", func(ctx SpecContext) {
			l, port := listen("tcp4", "127.0.0.1:0")
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = c.Write([]byte("SSH-2.0-canary\r\n"))
				}
			}()
			result := probing(ctx, ask(port))
			Expect(result.Reason).To(Equal(probe.ReasonBadAnswer))
			Expect(fmt.Sprint(result)).NotTo(ContainSubstring("canary"))
		})

		It("never quotes an answer, which may show secrets", func(ctx SpecContext) {
			result := probing(ctx, ask(serve(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/canary")
				http.Error(w, "canary", http.StatusInternalServerError)
			})))
			Expect(result.Answer).To(Equal("500 Internal Server Error"))
			Expect(fmt.Sprint(result)).NotTo(ContainSubstring("canary"))
		})

		It("says which status was wanted", func(ctx SpecContext) {
			r := ask(serve(status(200)))
			r.Health.Status = 204
			Expect(probing(ctx, r).Answer).To(Equal("200 OK, wanted 204"))
		})
	})

	Describe("counts only the slot's own socket", func() {
		for _, tree := range []string{"", "systemd", "unified"} {
			It("found in the control group of tree "+tree+"/, and in groups below it", func(ctx SpecContext) {
				s = newSlot(tree, sleeper())
				r := ask(serve(status(200)))
				Expect(probing(ctx, r).Reason).To(Equal(probe.ReasonPortTaken))
				s.write(filepath.Join(tree, group, "workers"), os.Getpid())
				Expect(probing(ctx, r).OK).To(BeTrue())
			})
		}

		It("found by each process's own word where no tree is mounted", func(ctx SpecContext) {
			content, err := os.ReadFile("/proc/self/cgroup")
			Expect(err).NotTo(HaveOccurred())
			own := strings.SplitN(strings.TrimSpace(strings.SplitN(string(content), "\n", 2)[0]), ":", 3)[2]
			s.prober = probe.New(probe.Options{CgroupRoot: GinkgoT().TempDir()})
			r := ask(serve(status(200)))
			Expect(probing(ctx, r).Reason).To(Equal(probe.ReasonPortTaken))
			r.ControlGroup = own
			Expect(probing(ctx, r).OK).To(BeTrue())
		})

		It("names the holder", func(ctx SpecContext) {
			s = newSlot("", sleeper())
			port := serve(status(200))
			comm, err := os.ReadFile("/proc/self/comm")
			Expect(err).NotTo(HaveOccurred())
			Expect(probing(ctx, ask(port)).Answer).To(Equal(fmt.Sprintf("port %d is held by %s (pid %d)", port, strings.TrimSpace(string(comm)), os.Getpid())))
		})

		It("and says so when it listens where nobody asks", func(ctx SpecContext) {
			_, port := listen("tcp6", "[::1]:0")
			result := probing(ctx, ask(port))
			Expect(result.Reason).To(Equal(probe.ReasonNotListening))
			Expect(result.Answer).To(Equal(fmt.Sprintf("port %d is only open on ::1: listen on 127.0.0.1 or on all addresses", port)))
		})

		It("and is not fooled by a connection that has the port at its other end", func(ctx SpecContext) {
			l, port := listen("tcp4", "127.0.0.1:0")
			c, err := net.Dial("tcp4", l.Addr().String())
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = c.Close() }()
			Expect(l.Close()).To(Succeed())
			Expect(probing(ctx, ask(port)).Reason).To(Equal(probe.ReasonNotListening))
		})

		It("and looks at no socket when the group is not known", func(ctx SpecContext) {
			s = newSlot("", sleeper())
			r := ask(serve(status(200)))
			r.ControlGroup = ""
			Expect(probing(ctx, r).OK).To(BeTrue())
			r.Port = closedPort()
			Expect(probing(ctx, r).Reason).To(Equal(probe.ReasonConnectionRefused))
		})
	})

	Describe("runs a health command", func() {
		var asked providers.ProbeRequest
		var answer providers.ProbeResult
		var trouble error
		var p *probe.Prober
		r := providers.ProbeRequest{
			Service: "web", Slot: v1.Primary, Type: v1.HealthExec, Release: &v1.Release{},
			Health: v1.Health{Exec: v1.Command{"bin/check"}},
		}
		BeforeEach(func() {
			trouble = nil
			p = probe.New(probe.Options{Command: func(_ context.Context, r providers.ProbeRequest) (providers.ProbeResult, error) {
				asked = r
				return answer, trouble
			}})
		})

		It("within its timeout, or the usual one, and passes on what it says", func(ctx SpecContext) {
			answer = providers.ProbeResult{Reason: probe.ReasonExecFailed, Answer: "exit status 3"}
			for timeout, want := range map[time.Duration]time.Duration{0: probe.DefaultTimeout, time.Second: time.Second} {
				r.Health.Timeout = v1.Duration(timeout)
				Expect(p.Probe(ctx, r)).To(Equal(answer))
				Expect(asked.Health.Exec).To(Equal(v1.Command{"bin/check"}))
				Expect(time.Duration(asked.Health.Timeout)).To(Equal(want))
			}
		})

		It("and says nothing of the instance when the host cannot, or when it is not known what to run", func(ctx SpecContext) {
			trouble = providers.ErrUnavailable
			_, err := p.Probe(ctx, r)
			Expect(err).To(MatchError(providers.ErrUnavailable))
			trouble = nil
			for _, change := range []func(*providers.ProbeRequest){
				func(r *providers.ProbeRequest) { r.Release = nil },
				func(r *providers.ProbeRequest) { r.Health.Exec = nil },
			} {
				incomplete := r
				change(&incomplete)
				_, err := p.Probe(ctx, incomplete)
				Expect(err).To(MatchError(ContainSubstring("is missing")))
			}
		})
	})

	Describe("cannot be put", func() {
		DescribeTable("and is an error, not an unwell instance",
			func(ctx SpecContext, change func(*providers.ProbeRequest), says string) {
				r := ask(closedPort())
				change(&r)
				_, err := s.prober.Probe(ctx, r)
				Expect(err).To(MatchError(ContainSubstring(says)))
			},
			Entry("a health command, and nothing to run it with", func(r *providers.ProbeRequest) { r.Type = v1.HealthExec }, "nothing to run health.exec with"),
			Entry("an unknown type", func(r *providers.ProbeRequest) { r.Type = "smoke" }, `unknown health type "smoke"`),
			Entry("no port", func(r *providers.ProbeRequest) { r.Port = 0 }, "0 is not a port"),
		)

		It("when the caller gives up", func(ctx SpecContext) {
			asked := make(chan struct{})
			r := ask(serve(func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() }))
			impatient, giveUp := context.WithCancel(ctx)
			go func() { <-asked; giveUp() }()
			_, err := s.prober.Probe(impatient, r)
			Expect(err).To(MatchError(context.Canceled))
		})

		It("when the group is not a path of the tree", func(ctx SpecContext) {
			r := ask(serve(status(200)))
			r.ControlGroup = "/../../etc"
			_, err := s.prober.Probe(ctx, r)
			Expect(err).To(MatchError(ContainSubstring("not a clean path")))
		})
	})
})
