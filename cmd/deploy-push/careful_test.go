package main

import (
	"context"
	"errors"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/cache"
	"deployer/providers"
	"deployer/providers/fake"
)

// publisher does what a spec wants in the place of an upload.
type publisher struct {
	providers.Publisher
	publish func(ctx context.Context) error
}

func (p publisher) Publish(ctx context.Context, _ providers.PublishRequest) (providers.Published, error) {
	return providers.Published{}, p.publish(ctx)
}

var _ = Describe("A push", func() {
	It("keeps collections of the cache from deleting, from its first look until its end", func(ctx SpecContext) {
		const garbage = "0123456789abcdfghijklmnpqrsvwxyz"
		w := fake.New()
		store := w.Store()
		for key, content := range map[string]string{
			garbage + ".narinfo":                       "StorePath: /nix/store/" + garbage + "-old\nURL: nar/old\n",
			"1123456789abcdfghijklmnpqrsvwxyz.narinfo": "StorePath: /nix/store/1123456789abcdfghijklmnpqrsvwxyz-web\nURL: nar/web\n",
			"nar/old": "x",
			"nar/web": "x",
		} {
			_, err := store.Put(ctx, key, strings.NewReader(content), providers.PutOptions{})
			Expect(err).NotTo(HaveOccurred())
		}
		collect := func() cache.Report {
			GinkgoHelper()
			w.Clock.Advance(time.Minute)
			r, err := cache.Collect(ctx, cache.Options{
				Objects: store, Index: fake.CacheIndex(store), Now: w.Clock.Now,
				Kept: func(context.Context, time.Time) ([]*v1.Manifest, error) {
					return []*v1.Manifest{{Services: []v1.Service{{Name: "web", Artifact: &v1.Artifact{StorePath: "/nix/store/1123456789abcdfghijklmnpqrsvwxyz-web"}}}}}, nil
				},
			})
			Expect(err).NotTo(HaveOccurred())
			return r
		}
		p := &careful{objects: store, service: "web", Publisher: publisher{publish: func(context.Context) error {
			r := collect()
			Expect(r.Postponed).To(ContainSubstring("pushing web"))
			Expect(r.Deleted).To(BeEmpty())
			return nil
		}}}
		_, err := p.Publish(ctx, providers.PublishRequest{})
		Expect(err).NotTo(HaveOccurred())
		Expect(collect().Postponed).To(ContainSubstring("pushing web"), "the manifest is not written yet")
		Expect(p.valid()).To(Succeed())
		p.done(ctx)
		Expect(collect().Deleted).To(HaveLen(2))
	})

	It("uploads nothing when it cannot keep them away", func(ctx SpecContext) {
		w := fake.New()
		w.Fail("objects.Put", providers.ErrUnavailable)
		p := &careful{objects: w.Store(), Publisher: publisher{publish: func(context.Context) error { return errors.New("uploaded") }}}
		_, err := p.Publish(ctx, providers.PublishRequest{})
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(p.valid()).To(Succeed())
		p.done(ctx)
	})
})
