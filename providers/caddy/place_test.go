package caddy

import (
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

// element from a short form: "web@a.example/api" is ours; anything with a brace is JSON
// of somebody else.
func elementOf(short string) element {
	GinkgoHelper()
	if strings.HasPrefix(short, "{") {
		return parseElement(json.RawMessage(short))
	}
	service, rest, _ := strings.Cut(short, "@")
	hosts, path, _ := strings.Cut(rest, "/")
	e, err := options.route(providers.Route{Service: service, Domains: strings.Split(hosts, ","), Path: "/" + path})
	Expect(err).NotTo(HaveOccurred())
	return e
}

func elementsOf(shorts []string) []element {
	GinkgoHelper()
	var out []element
	for _, s := range shorts {
		out = append(out, elementOf(s))
	}
	return out
}

// Other people's routes. Each has an @id by which the specs name it.
const (
	site      = `{"@id":"site","match":[{"host":["b.example"]}],"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"file_server"}]}]}],"terminal":true}`
	sameHost  = `{"@id":"sameHost","match":[{"host":["A.example"]}],"handle":[{"handler":"file_server"}],"terminal":true}`
	admins    = `{"@id":"admins","match":[{"host":["a.example"],"path":["/admin/*"]}],"handle":[{"handler":"file_server"}],"terminal":true}`
	posts     = `{"@id":"posts","match":[{"host":["a.example"],"method":["POST"]}],"handle":[{"handler":"file_server"}],"terminal":true}`
	starred   = `{"@id":"starred","match":[{"host":["*.example"]}],"handle":[{"handler":"file_server"}],"terminal":true}`
	catchAll  = `{"@id":"catchAll","handle":[{"handler":"static_response","body":"nothing here"}]}`
	catchPath = `{"@id":"catchPath","match":[{"path":["/*"]}],"handle":[{"handler":"reverse_proxy"}]}`
	nested    = `{"@id":"nested","handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"encode"},{"handler":"reverse_proxy"}]}]}]}`
	wellKnown = `{"@id":"wellKnown","match":[{"path":["/.well-known/*"]}],"handle":[{"handler":"file_server"}],"terminal":true}`
	headers   = `{"@id":"headers","handle":[{"handler":"headers"},{"handler":"encode"}]}`
	firewall  = `{"@id":"firewall","handle":[{"handler":"waf"}]}`
	strange   = `{"@id":"strange","match":{"not":"a list"}}`
)

func names(routes []element) []string {
	var out []string
	for _, e := range routes {
		var head struct {
			ID string `json:"@id"`
		}
		_ = json.Unmarshal(e.raw, &head)
		out = append(out, strings.TrimPrefix(head.ID, idPrefix))
	}
	return out
}

var _ = Describe("the place of our routes", func() {
	DescribeTable("is arranged",
		func(want string, before ...string) {
			routes := elementsOf(before)
			got := arrange(routes)
			Expect(strings.Join(names(got), " ")).To(Equal(want))
			Expect(misplaced(got)).To(BeEmpty())
			Expect(names(arrange(got))).To(Equal(names(got)), "arranging again changes nothing")
		},
		Entry("alone", "web", "web@a.example"),
		Entry("longer paths first", "deep api web", "web@a.example", "deep@a.example/api/v2", "api@a.example/api"),
		Entry("the same length by name", "one two", "two@b.example", "one@a.example"),
		Entry("after a site of another host", "site web", site, "web@a.example"),
		Entry("before a site of the same host, whatever its case", "web sameHost", sameHost, "web@a.example"),
		Entry("after a path of the same host", "admins web", admins, "web@a.example"),
		Entry("after what takes only some methods", "posts web", posts, "web@a.example"),
		Entry("before a wildcard that covers the host", "web starred", starred, "web@a.example"),
		Entry("after a wildcard that does not", "starred web", starred, "web@deep.a.example"),
		Entry("before a catch-all", "web catchAll", catchAll, "web@a.example"),
		Entry("before a catch-all that says so by path", "web catchPath", catchPath, "web@a.example"),
		Entry("before a catch-all in a subroute", "web nested", nested, "web@a.example"),
		Entry("after a path of every host", "wellKnown web catchAll", wellKnown, catchAll, "web@a.example"),
		Entry("after what only passes on", "headers firewall web catchAll", headers, firewall, catchAll, "web@a.example"),
		Entry("after what we do not understand", "strange web", strange, "web@a.example"),
		Entry("each before its own swallower only", "other site admins web catchAll",
			site, admins, catchAll, "web@a.example", "other@b.example"),
		Entry("a longer path never behind a shorter one that had to move up", "api web site catchAll",
			site, catchAll, "api@a.example/api", "web@a.example,b.example"),
	)

	DescribeTable("is left alone when it is right",
		func(index int, says string, routes ...string) {
			Expect(misplaced(elementsOf(routes))[index]).To(Equal(says))
		},
		Entry("first of all", 0, "", "web@a.example", admins, catchAll),
		Entry("between foreign ones", 1, "", site, "web@a.example", wellKnown, catchAll),
		Entry("behind a catch-all", 1, "route 0 of somebody else comes first and takes its requests", catchAll, "web@a.example"),
		Entry("behind a shorter path of ours", 1, "the route of web comes first and takes its requests", "web@a.example", "api@a.example/api"),
		Entry("behind a shorter path that takes nothing of it", 1, "", "web@a.example/zz", "api@a.example/api"),
		Entry("behind a shorter path of another host", 1, "", "web@b.example", "api@a.example/api"),
	)
})

var _ = Describe("a plan", func() {
	const srv = `"listen":[":443"],"tls_connection_policies":[{}],"routes":`
	config := func(servers string) string { return `{"apps":{"http":{"servers":{` + servers + `}}}}` }
	routes := func(shorts ...string) string {
		GinkgoHelper()
		var out []string
		for _, e := range elementsOf(shorts) {
			out = append(out, string(e.raw))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	put := func(short string) change {
		GinkgoHelper()
		e := elementOf(short)
		return change{service: e.service, route: &e}
	}
	DescribeTable("is the smallest write",
		func(body func() string, changes func() []change, want func() string) {
			snap, err := parseSnapshot(`"/config/ 1"`, []byte(body()))
			Expect(err).NotTo(HaveOccurred())
			req, err := options.plan(snap, changes())
			Expect(err).NotTo(HaveOccurred())
			got := ""
			if req != nil {
				got = fmt.Sprintf("%s %s %s", req.method, req.path, req.body)
			}
			Expect(got).To(Equal(want()))
		},
		Entry("nothing when all is there", func() string { return config(`"s":{` + srv + routes("web@a.example", catchAll) + `}`) },
			func() []change { return []change{put("web@a.example")} }, func() string { return "" }),
		Entry("nothing when what should go is gone", func() string { return "" },
			func() []change { return []change{{service: "web"}} }, func() string { return "" }),
		Entry("a server, where there is nothing", func() string { return "\n" },
			func() []change { return []change{put("web@a.example")} },
			func() string {
				return `PUT /config/apps/http/servers/biz-deployer {"listen":[":443"],"routes":` + routes("web@a.example") + `}`
			}),
		Entry("a server, where Caddy says null", func() string { return "null" },
			func() []change { return []change{put("web@a.example")} },
			func() string {
				return `PUT /config/apps/http/servers/biz-deployer {"listen":[":443"],"routes":` + routes("web@a.example") + `}`
			}),
		Entry("one element, when one changed in place", func() string { return config(`"s":{` + srv + routes(site, "web@a.example", "api@a.example") + `}`) },
			func() []change { return []change{put("web@c.example"), put("api@a.example")} },
			func() string {
				return `PATCH /config/apps/http/servers/s/routes/1 ` + string(elementOf("web@c.example").raw)
			}),
		Entry("the array, when several changed", func() string { return config(`"s":{` + srv + routes(site, "web@a.example", catchAll) + `}`) },
			func() []change { return []change{put("api@a.example/api"), put("other@c.example")} },
			func() string {
				return `PATCH /config/apps/http/servers/s/routes ` + routes(site, "api@a.example/api", "other@c.example", "web@a.example", catchAll)
			}),
		Entry("the array, when one is removed", func() string { return config(`"s":{` + srv + routes(site, "web@a.example", catchAll) + `}`) },
			func() []change { return []change{{service: "web"}} },
			func() string { return `PATCH /config/apps/http/servers/s/routes ` + routes(site, catchAll) }),
		Entry("a new array, where the server has none", func() string { return config(`"s":{` + srv + `null}`) },
			func() []change { return []change{put("web@a.example")} },
			func() string { return `POST /config/apps/http/servers/s/routes ` + routes("web@a.example") }),
		Entry("all servers, when a route moves from one to another",
			func() string {
				return config(`"old":{"listen":[":8080"],"routes":` + routes(site, "web@a.example") + `},"s":{` + srv + routes("api@a.example") + `}`)
			},
			func() []change { return []change{put("web@a.example")} },
			func() string {
				return `PATCH /config/apps/http/servers {"old":{"listen":[":8080"],"routes":` + routes(site) + `},` +
					`"s":{"listen":[":443"],"routes":` + routes("api@a.example", "web@a.example") + `,"tls_connection_policies":[{}]}}`
			}),
		Entry("one array that heals the order of others of ours too",
			func() string { return config(`"s":{` + srv + routes("web@a.example", "api@a.example/api") + `}`) },
			func() []change { return []change{put("api@a.example/api")} },
			func() string {
				return `PATCH /config/apps/http/servers/s/routes ` + routes("api@a.example/api", "web@a.example")
			}),
	)
})

var _ = Describe("the server that carries our routes", func() {
	DescribeTable("is chosen",
		func(server, servers, want, fault string) {
			snap, err := parseSnapshot("", []byte(`{"apps":{"http":{"servers":{`+servers+`}}}}`))
			Expect(err).NotTo(HaveOccurred())
			o := options
			o.Server = server
			t, err := o.target(snap)
			Expect(providers.ReasonOf(err)).To(Equal(fault))
			Expect(t.name).To(Equal(want))
		},
		Entry("the one on :443", "", `"a":{"listen":[":80"]},"b":{"listen":["tcp/:443"]}`, "b", ""),
		Entry("not one on udp or a unix socket", "", `"a":{"listen":["udp/:443"]},"b":{"listen":["unix//run/x"]}`, DefaultServer, ""),
		Entry("one with a range of ports", "", `"a":{"listen":[":440-450"]}`, "a", ""),
		Entry("the one on all addresses", "", `"a":{"listen":["10.0.0.1:443"]},"b":{"listen":["[::]:443"]}`, "b", ""),
		Entry("the one that has our routes", "", `"a":{"listen":["10.0.0.1:443"],"routes":[{"@id":"biz-deployer/web"}]},"b":{"listen":[":443"]}`, "a", ""),
		Entry("ours, once it was made", "", `"biz-deployer":{"listen":[":8443"]}`, DefaultServer, ""),
		Entry("a new one", "", `"a":{"listen":[":8080"]}`, DefaultServer, ""),
		Entry("the configured one", "a", `"a":{"listen":[":8080"]},"b":{"listen":[":443"]}`, "a", ""),
		Entry("the configured one, made where nothing is in its way", "a", `"b":{"listen":[":8080"]}`, "a", ""),
		Entry("none, when the configured one is missing and its port taken", "a", `"b":{"listen":[":443"]}`, "", "CaddyServerMissing"),
		Entry("none, when its name cannot be addressed", "", `"a/b":{"listen":[":443"]}`, "", "CaddyServerMissing"),
	)
})
