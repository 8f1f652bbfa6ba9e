package service

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers/fake"
	"deployer/reconcile"
)

// services of the no-op pass, and the budget for a pass over all of them.
const (
	noopServices = 1000
	noopBudget   = 10 * time.Millisecond
)

// BenchmarkNoopPass1000 is a pass over 1,000 settled services on the fake host, through
// the engine with four workers, as a full pass of the daemon is. The host's own share of
// it, a tenth of a microsecond per call, is BenchmarkObservations of providers/fake.
func BenchmarkNoopPass1000(b *testing.B) {
	r, names := settledHost(b)
	var passes sync.WaitGroup
	engine := reconcile.New(r, reconcile.Options{Name: "service", Workers: 4, OnPass: func(name string, result reconcile.Result, err error) {
		if err != nil || result.Progressed || result.RequeueAfter > 0 {
			b.Errorf("%s was to be settled: %+v, %v", name, result, err)
		}
		passes.Done()
	}})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = engine.Run(ctx) }()

	b.ReportAllocs()
	for b.Loop() {
		passes.Add(len(names))
		for _, name := range names {
			engine.Enqueue(name)
		}
		passes.Wait()
	}
	perPass := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(perPass.Nanoseconds())/noopServices, "ns/service")
	b.ReportMetric(float64(perPass)/float64(noopBudget), "budgets")
	stop()
	<-ended
}

func settledHost(b *testing.B) (*Reconciler, []string) {
	w := fake.New()
	w.Quiet = true
	m := v1.Manifest{Version: 1, Lineage: "bench", Generation: 1}
	var names []string
	for i := range noopServices {
		name := fmt.Sprintf("web%d", i)
		path := "/nix/store/" + strings.Repeat("0", 28) + fmt.Sprintf("%04d", i) + "-" + name
		w.Publish(path)
		names = append(names, name)
		m.Services = append(m.Services, v1.Service{
			Name: name, Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: path},
			HTTP: &v1.HTTP{Domain: name + ".example.com", InternalPort: 10000 + i},
		})
	}
	wishes := m.Assignments("biz")
	r := New(Options{
		Host: w.Host(), HostName: "biz", Now: w.Clock.Now,
		Desired: func(name string) v1.Assignment { return wishes[name] },
	})
	for range 200 {
		longest := time.Duration(0)
		for _, name := range names {
			result, err := r.Reconcile(context.Background(), name)
			if err != nil {
				b.Fatal(err)
			}
			longest = max(longest, result.RequeueAfter)
		}
		if longest == 0 {
			r.report = func(name string, _ v1.ServiceState) { b.Errorf("%s was reported in a no-op pass", name) }
			return r, names
		}
		w.Clock.Advance(longest)
	}
	b.Fatal("the host does not settle")
	return nil, nil
}
