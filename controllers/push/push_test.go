package push_test

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/controllers/push"
	"deployer/providers"
)

func TestPush(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Push")
}

const storePath = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web"

// cache is a Publisher that remembers, and fails when it is told to.
type cache struct {
	has []string
	err error
}

func (c *cache) Publish(_ context.Context, r providers.PublishRequest) (providers.Published, error) {
	if c.err != nil {
		return providers.Published{}, c.err
	}
	r.Progress("copying path")
	c.has = append(c.has, r.StorePath)
	return providers.Published{NarHash: "sha256:1", Paths: 3, Uploaded: 5 << 20, SignedBy: "acme-1"}, nil
}

var _ = Describe("Push", func() {
	var (
		published *cache
		manifest  map[string]push.Release
		lines     []string
		options   push.Options
	)
	BeforeEach(func() {
		published, manifest, lines = &cache{}, map[string]push.Release{"web": {}}, nil
		options = push.Options{
			Service: "web", StorePath: storePath, Publisher: published,
			Check: func(_ context.Context, service string) error {
				if _, found := manifest[service]; !found {
					return errors.New("no such service")
				}
				return nil
			},
			Update: func(_ context.Context, r push.Release) error {
				Expect(published.has).To(ContainElement(r.StorePath), "the cache has it before the manifest names it")
				manifest[r.Service] = r
				return nil
			},
			Progress: func(line string) { lines = append(lines, line) },
		}
	})

	It("names the closure in the manifest with the hash that the cache has, and tells how it goes", func(ctx SpecContext) {
		done, err := push.Push(ctx, options)
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Paths).To(Equal(3))
		Expect(manifest["web"]).To(Equal(push.Release{Service: "web", StorePath: storePath, NarHash: "sha256:1"}))
		Expect(lines).To(HaveLen(2))
		Expect(lines[0]).To(Equal("copying path"))
		Expect(lines[1]).To(HavePrefix("the cache has all 3 paths, signed by acme-1 (5.0 MiB sent in "))
	})

	It("uploads nothing for a service that is not in the manifest", func(ctx SpecContext) {
		options.Service = "wbe"
		_, err := push.Push(ctx, options)
		Expect(err).To(MatchError("no such service"))
		Expect(published.has).To(BeEmpty())
		Expect(manifest).NotTo(HaveKey("wbe"))
	})

	It("leaves the manifest alone when the upload fails", func(ctx SpecContext) {
		published.err = providers.ErrUnavailable
		_, err := push.Push(ctx, options)
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(manifest["web"]).To(BeZero())
		Expect(lines).To(BeEmpty(), "it told of no upload that never began")
	})

	It("says that the closure is safe when only the manifest could not be written", func(ctx SpecContext) {
		options.Update = func(context.Context, push.Release) error { return providers.ErrConflict }
		_, err := push.Push(ctx, options)
		Expect(err).To(MatchError(providers.ErrConflict))
		Expect(err).To(MatchError(ContainSubstring("the closure is in the cache, the manifest is as it was")))
	})
})
