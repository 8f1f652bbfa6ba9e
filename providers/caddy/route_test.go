package caddy

import (
	"bytes"
	"encoding/json"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

var options = Options{Paths: providers.DefaultPaths(), Listen: []string{":443"}}

var _ = Describe("a rendered route", func() {
	DescribeTable("is what the golden file says",
		func(golden string, r providers.Route) {
			e, err := options.route(r)
			Expect(err).NotTo(HaveOccurred())
			var pretty bytes.Buffer
			Expect(json.Indent(&pretty, e.raw, "", "  ")).To(Succeed())
			pretty.WriteByte('\n')
			if os.Getenv("UPDATE_GOLDEN") == "1" {
				Expect(os.WriteFile(golden, pretty.Bytes(), 0o600)).To(Succeed())
			}
			want, err := os.ReadFile(golden)
			Expect(err).NotTo(HaveOccurred())
			Expect(pretty.String()).To(Equal(string(want)))
			Expect(parseElement(e.raw)).To(Equal(e), "what Caddy gives back is understood as what was written")
		},
		Entry("for everything of two hosts", "testdata/route-all.json",
			providers.Route{Service: "web", Domains: []string{"www.example.com", "example.com"}, Path: "/"}),
		Entry("for a path of one host", "testdata/route-path.json",
			providers.Route{Service: "web-api", Domains: []string{"example.com"}, Path: "/api/"}),
	)

	It("means the same whatever the order of the aliases", func() {
		a, err := options.route(providers.Route{Service: "web", Domains: []string{"a.example", "b.example"}})
		Expect(err).NotTo(HaveOccurred())
		b, err := options.route(providers.Route{Service: "web", Domains: []string{"b.example", "a.example", "b.example"}, Path: "/"})
		Expect(err).NotTo(HaveOccurred())
		Expect(string(a.raw)).To(Equal(string(b.raw)))
	})

	DescribeTable("is refused when it would reach beyond the service",
		func(r providers.Route, says string) {
			_, err := options.route(r)
			Expect(err).To(MatchError(ContainSubstring(says)))
		},
		Entry("no domain", providers.Route{Service: "web"}, "no domain"),
		Entry("an empty domain", providers.Route{Service: "web", Domains: []string{"a.example", ""}}, "no domain"),
		Entry("a name that leaves the directory", providers.Route{Service: "../../etc/shadow", Domains: []string{"a.example"}}, "not a service name"),
		Entry("a name that ends the placeholder", providers.Route{Service: "a}{env.X", Domains: []string{"a.example"}}, "not a service name"),
		Entry("a wildcard path", providers.Route{Service: "web", Domains: []string{"a.example"}, Path: "/*"}, "not a plain prefix"),
		Entry("a placeholder in the path", providers.Route{Service: "web", Domains: []string{"a.example"}, Path: "/{env.X}"}, "not a plain prefix"),
		Entry("a relative path", providers.Route{Service: "web", Domains: []string{"a.example"}, Path: "api"}, "not a plain prefix"),
	)

	DescribeTable("is compared by meaning, and the first difference named",
		func(have, want, says string) {
			Expect(difference(json.RawMessage(have), json.RawMessage(want))).To(Equal(says))
		},
		Entry("other order and blanks", `{ "b":[1], "a":"x" }`, `{"a":"x","b":[1]}`, ""),
		Entry("another value", `{"a":{"b":["x","y"]}}`, `{"a":{"b":["x","z"]}}`, `a.b[1] is "y", should be "z"`),
		Entry("something left out", `{}`, `{"a":true}`, `a is missing, should be true`),
		Entry("something added", `{"a":1,"b":2}`, `{"a":1}`, `b is 2, should be missing`),
		Entry("a longer list", `{"a":[1,2]}`, `{"a":[1]}`, `a is [1,2], should be [1]`),
	)
})
