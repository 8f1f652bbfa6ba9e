package releases_test

import (
	"context"
	"fmt"
	"testing"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/releases"
)

// BenchmarkObserve is one look at a service with three releases of which nothing changed.
func BenchmarkObserve(b *testing.B) {
	d := releases.New(releases.Options{Paths: providers.Paths{StateDir: b.TempDir()}})
	ctx := context.Background()
	const services = 20
	for i := range services {
		name := fmt.Sprintf("web%d", i)
		for n := range 3 {
			q := conformance.Staging(name, n)
			orFail(b, d.Stage(ctx, q))
			orFail(b, d.Point(ctx, name, v1.Primary, q.Instance.String()))
		}
		orFail(b, d.Shift(ctx, name, 8080))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		facts, err := d.Observe(ctx, fmt.Sprintf("web%d", i%services))
		orFail(b, err)
		if len(facts.Staged) != 3 {
			b.Fatal(facts)
		}
	}
}

func orFail(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}
