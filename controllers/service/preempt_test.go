package service

import (
	"context"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// slowPull downloads one path for ever.
type slowPull struct {
	providers.Closures
	path    string
	begun   chan struct{}
	aborted atomic.Bool
}

func (p *slowPull) Pull(ctx context.Context, path string) error {
	if path != p.path {
		return p.Closures.Pull(ctx, path)
	}
	close(p.begun)
	<-ctx.Done()
	p.aborted.Store(true)
	return ctx.Err()
}

var _ = Describe("a pull", func() {
	It("ends when the manifest names another release: a fix waits for no download", func() {
		g := newRig()
		g.write(g.overlap("web", "v1", 8080))
		g.settle("web")
		slow := g.overlap("web", "v2", 8080)
		pull := &slowPull{Closures: g.r.host.Closures, path: slow.Artifact.StorePath, begun: make(chan struct{})}
		g.r.host.Closures = pull
		g.write(slow)
		var wishes atomic.Pointer[map[string]v1.Assignment]
		slowOnes := g.wishes
		wishes.Store(&slowOnes)
		g.r.desired = func(name string) v1.Assignment { return (*wishes.Load())[name] }

		ended := make(chan error)
		go func() {
			defer GinkgoRecover()
			_, err := g.pass("web")
			ended <- err
		}()
		<-pull.begun
		fix := g.overlap("web", "v3", 8080)
		g.write(fix)
		fixed := g.wishes
		wishes.Store(&fixed)
		Eventually(ended).WithTimeout(30 * second).Should(Receive(BeNil()))
		Expect(pull.aborted.Load()).To(BeTrue())
		g.settle("web")
		g.expectServing("web", fix)
		Expect(g.events("web")).NotTo(ContainElement("Error"), "to be pushed out is no failure")
	})
})
