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

func (c *cache) Plan(_ context.Context, storePath string) (providers.PublishPlan, error) {
	return providers.PublishPlan{Paths: 3, Upload: []providers.PublishPath{{StorePath: storePath, Size: 5}}}, c.err
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
			Update: func(_ context.Context, r push.Release) (int64, error) {
				Expect(published.has).To(ContainElement(r.StorePath), "the cache has it before the manifest names it")
				manifest[r.Service] = r
				return 7, nil
			},
			Progress: func(line string) { lines = append(lines, line) },
		}
	})

	It("names the closure in the manifest with the hash that the cache has, and tells how it goes", func(ctx SpecContext) {
		done, err := push.Push(ctx, options)
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Published.Paths).To(Equal(3))
		Expect(done.Generation).To(BeEquivalentTo(7))
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
		Expect(err).To(MatchError(ContainSubstring("the manifest is as it was")))
		Expect(manifest["web"]).To(BeZero())
		Expect(lines).To(BeEmpty(), "it told of no upload that never began")
	})

	It("says that the closure is safe when only the manifest could not be written", func(ctx SpecContext) {
		options.Update = func(context.Context, push.Release) (int64, error) { return 0, providers.ErrConflict }
		_, err := push.Push(ctx, options)
		Expect(err).To(MatchError(providers.ErrConflict))
		Expect(err).To(MatchError(ContainSubstring("the closure is in the cache; writing the manifest")))
	})

	It("builds only what the manifest would take, and pushes what was built", func(ctx SpecContext) {
		built := 0
		options.StorePath = ""
		options.Build = func(context.Context) (string, error) { built++; return storePath, nil }
		_, err := push.Push(ctx, options)
		Expect(err).NotTo(HaveOccurred())
		Expect(manifest["web"].StorePath).To(Equal(storePath))
		Expect(lines[0]).To(HavePrefix("built " + storePath + " in "))
		options.Service = "wbe"
		_, err = push.Push(ctx, options)
		Expect(err).To(HaveOccurred())
		Expect(built).To(Equal(1))
	})

	It("uploads nothing when the build fails", func(ctx SpecContext) {
		options.Build = func(context.Context) (string, error) { return "", errors.New("no compiler") }
		_, err := push.Push(ctx, options)
		Expect(err).To(MatchError("no compiler"))
		Expect(published.has).To(BeEmpty())
	})

	It("waits for the hosts only once the manifest names the release, and ends as the wait ends", func(ctx SpecContext) {
		verdict := errors.New("rolled back")
		options.Wait = func(_ context.Context, d push.Deployed) error {
			Expect(manifest["web"]).To(Equal(d.Release))
			Expect(d.Generation).To(BeEquivalentTo(7))
			return verdict
		}
		_, err := push.Push(ctx, options)
		Expect(err).To(MatchError(verdict))
		published.err = providers.ErrUnavailable
		options.Wait = func(context.Context, push.Deployed) error { Fail("there is nothing to wait for"); return nil }
		_, err = push.Push(ctx, options)
		Expect(err).To(MatchError(providers.ErrUnavailable))
	})

	It("only looks in a dry run", func(ctx SpecContext) {
		preview, err := push.DryRun(ctx, options)
		Expect(err).NotTo(HaveOccurred())
		Expect(preview.StorePath).To(Equal(storePath))
		Expect(preview.Upload.Upload).To(HaveLen(1))
		Expect(published.has).To(BeEmpty())
		Expect(manifest["web"]).To(BeZero())
		options.Service = "wbe"
		_, err = push.DryRun(ctx, options)
		Expect(err).To(MatchError("no such service"))
	})
})
