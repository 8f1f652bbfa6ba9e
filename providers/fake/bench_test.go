package fake_test

import (
	"fmt"
	"testing"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

// BenchmarkObservations is what the fake adds to a no-op pass over 1,000 services: seven
// observations each. The budget of such a pass is 10 ms, controllers included.
func BenchmarkObservations(b *testing.B) {
	w := fake.New()
	w.Quiet = true
	h := w.Host()
	var names, paths []string
	for i := range 1000 {
		name := fmt.Sprintf("web%d", i)
		r := v1.Release{Service: name, StorePath: path(i), InternalPort: 10000 + i}.Default()
		names, paths = append(names, name), append(paths, path(i))
		must(b, h.Closures.Root(ctx, name, path(i)))
		must(b, h.Releases.Stage(ctx, providers.StageRequest{Instance: instance(1), Release: r}))
		must(b, h.Releases.Point(ctx, name, v1.Primary, instance(1).String()))
		must(b, h.Units.Install(ctx, providers.UnitSpec{Service: name, Slot: v1.Primary, Release: &r}))
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range 1000 {
			observe(b, h, names[i], paths[i])
		}
	}
}

func observe(b *testing.B, h providers.Host, name, storePath string) {
	_, err := h.Closures.RootTarget(ctx, name)
	must(b, err)
	_, err = h.Closures.Observe(ctx, storePath)
	must(b, err)
	facts, err := h.Releases.Observe(ctx, name)
	must(b, err)
	staged := facts.Staged[facts.Pointers[v1.Primary]]
	_, err = h.Units.Observe(ctx, providers.UnitSpec{Service: name, Slot: v1.Primary, Release: &staged.Release})
	must(b, err)
	_, err = h.Units.Observe(ctx, providers.UnitSpec{Service: name, Slot: v1.Standby})
	must(b, err)
	_, err = h.Routes.Observe(ctx, name, nil)
	must(b, err)
	_, err = h.Secrets.Read(ctx, "")
	must(b, err)
}

func must(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}
