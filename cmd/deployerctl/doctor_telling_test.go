package main

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/cmd/internal/host"
	"deployer/cmd/internal/hostconfig"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("doctor, of those who are told", func() {
	var w *fake.World
	var d *doctor
	BeforeEach(func() {
		w = fake.New()
		d = &doctor{Handle: &host.Handle{Name: "biz", Objects: w.Store(), Config: hostconfig.Default()}}
	})

	It("tries whether the report can be written, and has the remedy when not", func(ctx SpecContext) {
		Expect(d.report(ctx)).To(HaveExactElements(HaveField("OK", true)))
		w.Fail("objects.Put", &providers.Fault{Reason: "AccessDenied", Message: "the store denied access", Err: providers.ErrUnavailable})
		Expect(d.report(ctx)).To(HaveExactElements(And(
			HaveField("OK", false), HaveField("Message", "status/biz.json cannot be written: the store denied access"),
			HaveField("Remedy", ContainSubstring("report: false")))))
		d.Config.Report = false
		Expect(d.report(ctx)).To(HaveExactElements(And(HaveField("OK", true), HaveField("Message", ContainSubstring("off")))))
	})

	DescribeTable("looks at the targets of notifications", func(ctx SpecContext, n hostconfig.Notify, good bool, says string) {
		d.Config.Notify = n
		Expect(d.notify(ctx)).To(HaveExactElements(And(HaveField("OK", good), HaveField("Message", ContainSubstring(says)))))
	},
		Entry("none", hostconfig.Notify{}, true, "nobody hears"),
		Entry("a program", hostconfig.Notify{Command: []string{"/bin/sh"}}, true, "/bin/sh is run"),
		Entry("a program that is not there", hostconfig.Notify{Command: []string{"/nonexistent/tell"}}, false, "notify.command: there is no /nonexistent/tell"),
		Entry("a program that cannot be run", hostconfig.Notify{Command: []string{"/etc/passwd"}}, false, "is not executable"),
		Entry("a webhook, without its token", hostconfig.Notify{Webhook: "https://chat.example.com/T/token"}, true, "the webhook at chat.example.com is told"),
		Entry("no URL", hostconfig.Notify{Webhook: "chat.example.com"}, false, "notify.webhook: a webhook is an http:// or https:// URL"),
	)
})
