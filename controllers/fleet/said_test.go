package fleet

import (
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("the reader of reports", func() {
	var w *fake.World
	var r *Reader
	BeforeEach(func() {
		w = fake.New()
		r = NewReader(w.Store())
	})
	write := func(ctx SpecContext, host string, s v1.HostState) {
		GinkgoHelper()
		data, err := json.Marshal(s)
		Expect(err).NotTo(HaveOccurred())
		_, err = w.Store().Put(ctx, v1.ReportKey(host), strings.NewReader(string(data)), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
	}
	state := func(host, daemon string) v1.HostState {
		return v1.HostState{APIVersion: v1.APIVersion, Kind: v1.KindHostState, Host: host, Daemon: daemon}
	}

	It("gives each host's in order, with the store's time, and why there is none", func(ctx SpecContext) {
		write(ctx, "biz", state("biz", "v1"))
		got := r.Read(ctx, []string{"ava", "biz"})
		Expect(got).To(HaveExactElements(
			And(HaveField("Host", "ava"), HaveField("Err", MatchError(providers.ErrNotFound))),
			And(HaveField("Host", "biz"), HaveField("Err", BeNil()), HaveField("State.Daemon", "v1"), HaveField("At", w.Clock.Now()))))
		Expect(r.Reporting(ctx)).To(Equal([]string{"biz"}))
	})

	It("reads only what changed, and keeps what it knew of a store that is away", func(ctx SpecContext) {
		write(ctx, "biz", state("biz", "v1"))
		r.Read(ctx, []string{"biz"})
		Expect(r.Read(ctx, []string{"biz"})[0].State.Daemon).To(Equal("v1"))
		write(ctx, "biz", state("biz", "v2"))
		Expect(r.Read(ctx, []string{"biz"})[0].State.Daemon).To(Equal("v2"))
		w.Fail("objects.Get", providers.ErrUnavailable)
		got := r.Read(ctx, []string{"biz"})[0]
		Expect(got.Err).To(MatchError(providers.ErrUnavailable))
		Expect(got.State.Daemon).To(Equal("v2"))
		Expect(got.Silent(w.Clock.Now())).To(BeTrue())
	})

	DescribeTable("takes nothing else for a report",
		func(ctx SpecContext, content string) {
			_, err := w.Store().Put(ctx, v1.ReportKey("biz"), strings.NewReader(content), providers.PutOptions{})
			Expect(err).NotTo(HaveOccurred())
			Expect(r.Read(ctx, []string{"biz"})[0].Err).To(MatchError(ContainSubstring("status/biz.json")))
		},
		Entry("no JSON", "<html>"),
		Entry("another host's", `{"kind":"HostState","host":"ava"}`),
		Entry("another kind", `{"kind":"Event","host":"biz"}`),
		Entry("too much", `{"kind":"HostState","host":"biz","daemon":"`+strings.Repeat("x", maxReport)+`"}`),
	)
})
