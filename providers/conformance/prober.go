package conformance

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// ProberHost starts small programs and asks them. Every request that it gives names a
// running slot, with type http and no health options.
type ProberHost struct {
	Prober providers.Prober
	// Answering listens and answers every request with the status.
	Answering func(status int) providers.ProbeRequest
	// Silent runs and listens nowhere.
	Silent func() providers.ProbeRequest
	// Displaced runs and does not listen, because somebody else has its port.
	Displaced func() providers.ProbeRequest
}

// Prober registers the specs of providers.Prober. Call it inside a container; open gives
// a new host for each spec.
func Prober(open func() ProberHost) {
	var host ProberHost
	BeforeEach(func() { host = open() })

	DescribeTable("judges the status that a program answers with",
		func(ctx SpecContext, health v1.Health, status int, want bool) {
			request := host.Answering(status)
			request.Health = health
			result := probeOnce(ctx, host.Prober, request)
			Expect(result.OK).To(Equal(want), "%+v", result)
			Expect(result.URL).To(HavePrefix("http://127.0.0.1:"))
			Expect(result.Answer).NotTo(BeEmpty())
			if want {
				Expect(result.Reason).To(BeEmpty())
			} else {
				Expect(result.Reason).To(Equal("WrongStatus"))
			}
		},
		Entry("200 is well", v1.Health{}, 200, true),
		Entry("a redirect is well", v1.Health{}, 302, true),
		Entry("404 is well when no path was named", v1.Health{}, 404, true),
		Entry("500 is not", v1.Health{}, 500, false),
		Entry("503 is not", v1.Health{}, 503, false),
		Entry("200 is well on a named path", v1.Health{Path: "/healthz"}, 200, true),
		Entry("a redirect is well on a named path", v1.Health{Path: "/healthz"}, 302, true),
		Entry("404 is not well on a named path", v1.Health{Path: "/healthz"}, 404, false),
		Entry("the named status is well, whatever it is", v1.Health{Status: 503}, 503, true),
		Entry("another than the named status is not", v1.Health{Status: 204}, 200, false),
		Entry("the named status counts on a named path too", v1.Health{Path: "/x", Status: 401}, 401, true),
	)

	It("names the path that it asked", func(ctx SpecContext) {
		request := host.Answering(200)
		request.Health.Path = "/healthz"
		Expect(probeOnce(ctx, host.Prober, request).URL).To(HaveSuffix("/healthz"))
	})

	It("is content with an accepted connection when the type is tcp", func(ctx SpecContext) {
		request := host.Answering(500)
		request.Type, request.Health = v1.HealthTCP, v1.Health{TCP: true}
		Expect(probeOnce(ctx, host.Prober, request).OK).To(BeTrue())
	})

	It("says of a program that does not listen that it is unwell, for http and tcp", func(ctx SpecContext) {
		request := host.Silent()
		for _, kind := range []v1.HealthType{v1.HealthHTTP, v1.HealthTCP} {
			request.Type = kind
			result := probeOnce(ctx, host.Prober, request)
			Expect(result.OK).To(BeFalse())
			Expect(result.Reason).To(BeElementOf("NotListening", "ConnectionRefused"))
		}
	})

	It("does not take somebody else's answer on the port for the slot's", func(ctx SpecContext) {
		request := host.Displaced()
		for _, kind := range []v1.HealthType{v1.HealthHTTP, v1.HealthTCP} {
			request.Type = kind
			result := probeOnce(ctx, host.Prober, request)
			Expect(result.OK).To(BeFalse())
			Expect(result.Reason).To(Equal("PortTaken"))
			Expect(result.Answer).To(ContainSubstring("held by"))
		}
	})

	It("names who holds a port", func(ctx SpecContext) {
		Expect(host.Prober.Holder(ctx, host.Displaced().Port)).NotTo(BeEmpty())
	})

	It("names nobody where nothing listens", func(ctx SpecContext) {
		Expect(host.Prober.Holder(ctx, host.Silent().Port)).To(BeEmpty())
	})

	It("leaves notify and none to systemd's own judgement of a running unit", func(ctx SpecContext) {
		request := host.Answering(500)
		for _, kind := range []v1.HealthType{v1.HealthNotify, v1.HealthNone} {
			request.Type = kind
			Expect(probeOnce(ctx, host.Prober, request).OK).To(BeTrue())
		}
	})
}

func probeOnce(ctx context.Context, p providers.Prober, r providers.ProbeRequest) providers.ProbeResult {
	GinkgoHelper()
	result, err := p.Probe(ctx, r)
	Expect(err).NotTo(HaveOccurred())
	return result
}
