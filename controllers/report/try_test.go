package report

import (
	"io"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("trying whether a report can be written", func() {
	var w *fake.World
	BeforeEach(func() { w = fake.New() })
	denied := &providers.Fault{Reason: "AccessDenied", Message: "the store denied access", Err: providers.ErrUnavailable}
	content := func(ctx SpecContext) string {
		GinkgoHelper()
		object, err := w.Store().Get(ctx, v1.ReportKey("biz"), providers.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		data, err := io.ReadAll(object.Body)
		Expect(err).NotTo(HaveOccurred())
		return string(data)
	}

	It("leaves the report as it was", func(ctx SpecContext) {
		_, err := w.Store().Put(ctx, v1.ReportKey("biz"), strings.NewReader("said"), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(Try(ctx, w.Store(), "biz")).To(Succeed())
		Expect(content(ctx)).To(Equal("said"))
		w.FailNext("objects.Put", providers.ErrConflict)
		Expect(Try(ctx, w.Store(), "biz")).To(Succeed(), "the daemon wrote meanwhile")
	})

	It("writes nothing where there is none", func(ctx SpecContext) {
		Expect(Try(ctx, w.Store(), "biz")).To(Succeed())
		_, err := w.Store().Stat(ctx, v1.ReportKey("biz"))
		Expect(err).To(MatchError(providers.ErrNotFound))
	})

	It("tells of a store that refuses, with or without a report in it, and not of one that hides it", func(ctx SpecContext) {
		w.FailNext("objects.Get", denied)
		Expect(Try(ctx, w.Store(), "biz")).To(Succeed())
		w.Fail("objects.Put", denied)
		Expect(Try(ctx, w.Store(), "biz")).To(MatchError(denied))
		w.Heal("objects.Put")
		_, err := w.Store().Put(ctx, v1.ReportKey("biz"), strings.NewReader("said"), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
		w.Fail("objects.Put", denied)
		Expect(Try(ctx, w.Store(), "biz")).To(MatchError(denied))
	})

	It("tells of a store that gives no answer", func(ctx SpecContext) {
		w.Fail("objects.Get", providers.ErrUnavailable)
		Expect(Try(ctx, w.Store(), "biz")).To(MatchError(providers.ErrUnavailable))
	})
})
