package report

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

// logged are the lines that a Publisher wrote.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) write(_, args string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, args)
}

func (l *logged) matching(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

var _ = Describe("a report in the store", func() {
	var w *fake.World
	var b *Board
	var o PublisherOptions
	var log *logged
	var stop func()
	BeforeEach(func() {
		w, log, stop = fake.New(), &logged{}, func() {}
		b = New(Options{Host: "biz", Daemon: "v1", States: w.Host().States})
		o = PublisherOptions{
			Board: b, Objects: w.Store(), Settle: time.Millisecond, Pace: 20 * time.Millisecond,
			Heartbeat: time.Hour, Retry: time.Millisecond, Refused: time.Hour,
		}
	})
	AfterEach(func() { stop() })

	run := func() {
		ctx, cancel := context.WithCancel(context.Background())
		ctx = contextWith(ctx, log)
		ended := make(chan struct{})
		go func() { defer close(ended); NewPublisher(o).Run(ctx) }()
		stop = func() {
			cancel()
			Eventually(ended).Should(BeClosed())
		}
	}
	read := func(g Gomega) v1.HostState {
		object, err := w.Store().Get(context.Background(), "status/biz.json", providers.GetOptions{})
		g.Expect(err).NotTo(HaveOccurred())
		data, err := io.ReadAll(object.Body)
		g.Expect(err).NotTo(HaveOccurred())
		var s v1.HostState
		g.Expect(json.Unmarshal(data, &s)).To(Succeed())
		return s
	}
	puts := func() int {
		n := 0
		for _, c := range w.Calls() {
			if strings.HasPrefix(c, "objects.Put") {
				n++
			}
		}
		return n
	}

	It("is there at once, with the host, its daemon and a time", func() {
		run()
		Eventually(func(g Gomega) {
			s := read(g)
			g.Expect(s).To(And(HaveField("Host", "biz"), HaveField("Daemon", "v1"), HaveField("Kind", v1.KindHostState), HaveField("APIVersion", v1.APIVersion)))
			g.Expect(s.UpdatedAt).To(BeTemporally("~", time.Now(), time.Minute))
		}).Should(Succeed())
	})

	It("follows each change, many of them in one write", func() {
		run()
		for range 300 {
			b.Service("web", v1.ServiceState{Name: "web", Message: "one"})
		}
		b.Service("web", v1.ServiceState{Name: "web", Message: "two"})
		Eventually(func(g Gomega) { g.Expect(read(g).Services).To(ConsistOf(HaveField("Message", "two"))) }).Should(Succeed())
		Consistently(puts, 100*time.Millisecond).Should(BeNumerically("<=", 5))
	})

	It("comes without a change, too, with a new time", func() {
		o.Heartbeat = 30 * time.Millisecond
		run()
		Eventually(puts).Should(BeNumerically(">=", 5))
	})

	It("tells what was under way at the end of the daemon", func() {
		o.Settle = time.Hour
		run()
		b.Service("web", v1.ServiceState{Name: "web", Message: "last"})
		stop()
		read := read(NewWithT(GinkgoT()))
		Expect(read.Services).To(ConsistOf(HaveField("Message", "last")))
	})

	Describe("that may not be written", func() {
		denied := &providers.Fault{Reason: "AccessDenied", Message: "the store denied access", Err: providers.ErrUnavailable}

		It("is a condition of the host and one warning, and is not tried all the time", func() {
			w.Fail("objects.Put", denied)
			run()
			condition := func() *v1.Condition { return v1.FindCondition(b.Snapshot().Conditions, v1.Reported) }
			Eventually(condition).Should(And(HaveField("Status", v1.False), HaveField("Reason", "AccessDenied"), HaveField("Message", "the store denied access")))
			for range 50 {
				b.Service("web", v1.ServiceState{Name: "web"})
				time.Sleep(time.Millisecond)
			}
			Expect(puts()).To(Equal(1))
			Expect(log.matching("AccessDenied")).To(Equal(1))
			Expect(b.Snapshot().Services).To(HaveLen(1))
		})

		It("is written when the store is back, and the condition says so", func() {
			w.Fail("objects.Put", providers.ErrUnavailable)
			run()
			Eventually(puts).Should(BeNumerically(">=", 3))
			Expect(log.matching("Unavailable")).To(Equal(1))
			w.Heal("")
			Eventually(func(g Gomega) {
				g.Expect(v1.FindCondition(read(g).Conditions, v1.Reported)).To(HaveField("Status", v1.True))
			}).Should(Succeed())
		})
	})
})

func contextWith(ctx context.Context, l *logged) context.Context {
	return logr.NewContext(ctx, funcr.New(l.write, funcr.Options{}))
}

var _ = Describe("the size of a report", func() {
	service := func(i int) v1.ServiceState {
		return v1.ServiceState{
			Name: strings.Repeat("s", i%30+1), State: v1.Stalled, Reason: "Exited", Message: strings.Repeat("m", 10000),
			Desired: v1.Target{Revision: "1abc"}, Serving: v1.Target{Revision: "1xyz"},
			Evidence: &v1.Evidence{ProbeAnswer: strings.Repeat("p", 10000), Log: slicesOf(strings.Repeat("ä", 3000), 200)},
			Verdicts: []v1.Verdict{{Instance: "1abc-x", Result: v1.VerdictBad, Evidence: &v1.Evidence{Log: slicesOf("l", 200)}}},
			Conditions: []v1.Condition{
				{Type: "Serving", Status: v1.True, Message: strings.Repeat("c", 5000)}, {Type: v1.Ready, Status: v1.False},
			},
		}
	}
	decode := func(s v1.HostState) (v1.HostState, int) {
		GinkgoHelper()
		data, err := forStore(s)
		Expect(err).NotTo(HaveOccurred())
		var out v1.HostState
		Expect(json.Unmarshal(data, &out)).To(Succeed())
		return out, len(data)
	}

	It("is bounded by 20 short lines of log, told once, and the board keeps its own", func() {
		in := v1.HostState{Services: []v1.ServiceState{service(1)}}
		out, size := decode(in)
		Expect(size).To(BeNumerically("<", 20_000))
		Expect(out.Services[0].Evidence.Log).To(HaveLen(20))
		Expect(out.Services[0].Evidence.Log[0]).To(And(HaveSuffix("ä…"), HaveLen(403)))
		Expect(out.Services[0].Verdicts[0].Evidence).To(BeNil())
		Expect(in.Services[0].Evidence.Log).To(HaveLen(200))
		Expect(in.Services[0].Verdicts[0].Evidence.Log).To(HaveLen(200))
	})

	It("keeps the verdicts that other hosts go by, however many newer ones there are", func() {
		s := service(1)
		for range 50 {
			s.Verdicts = slices.Insert(s.Verdicts, 0, v1.Verdict{Instance: "1other-x", Result: v1.VerdictBad})
		}
		out, _ := decode(v1.HostState{Services: []v1.ServiceState{s}})
		Expect(out.Services[0].Verdicts).To(HaveLen(maxVerdicts + 1))
		Expect(out.Services[0].Verdicts).To(ContainElement(HaveField("Instance", "1abc-x")))
	})

	It("stays below its bound whatever the services write, with all that decides", func() {
		var in v1.HostState
		for i := range 200 {
			in.Services = append(in.Services, service(i))
		}
		out, size := decode(in)
		Expect(size).To(BeNumerically("<=", maxReport))
		Expect(out.Services).To(HaveLen(200))
		Expect(out.Services[7]).To(And(
			HaveField("State", v1.Stalled), HaveField("Reason", "Exited"), HaveField("Desired.Revision", "1abc"), HaveField("Serving.Revision", "1xyz"),
			HaveField("Verdicts", ConsistOf(And(HaveField("Result", v1.VerdictBad), HaveField("Instance", "1abc-x")))),
			HaveField("Conditions", ConsistOf(HaveField("Type", "Serving")))))
	})
})

func slicesOf(line string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = line
	}
	return out
}
