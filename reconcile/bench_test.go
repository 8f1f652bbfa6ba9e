package reconcile_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"deployer/reconcile"
)

// BenchmarkThousandNoopNames is the engine's share of a full pass over 1,000 names
// that have nothing to do: from the first Enqueue to the end of the last pass.
func BenchmarkThousandNoopNames(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("service-%d", i)
	}
	var round sync.WaitGroup
	c := reconcile.New(reconcile.Func(done), reconcile.Options{
		Workers: 4,
		OnPass:  func(string, reconcile.Result, error) { round.Done() },
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()

	b.ReportAllocs()
	for b.Loop() {
		round.Add(len(names))
		for _, name := range names {
			c.Enqueue(name)
		}
		round.Wait()
	}
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
