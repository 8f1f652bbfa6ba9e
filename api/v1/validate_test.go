package v1_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

// web is a valid service with one more member of JSON.
func web(more string) string {
	if more != "" {
		more = "," + more
	}
	return `{"name":"web","hosts":["biz"]` + more + `}`
}

const goodHash = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-"

var _ = Describe("validating a service", func() {
	DescribeTable("accepts",
		func(more string) {
			_, err := v1.DecodeService([]byte(web(more)))
			Expect(err).NotTo(HaveOccurred())
		},
		Entry("the least there can be", ``),
		Entry("null everywhere", `"artifact":null,"exec":{"command":null,"args":null,"user":null},"env":null,"envFile":null,"http":null,"health":null,"deploy":null,"systemd":null,"hardening":null,"resources":null,"hold":null,"protect":null`),
		Entry("a real store path", `"artifact":{"storePath":"`+goodHash+`web-1.0+b_?=."}`),
		Entry("the longest store path", `"artifact":{"storePath":"`+goodHash+strings.Repeat("x", 211)+`"}`),
		Entry("what the adapters escape", `"exec":{"command":["bin/web","100%","$HOME","\"q\"","\\n","'"]},"env":{"A":"100% $HOME \"q\" 'q' \\ ü 😀"}`),
		Entry("an empty argument", `"exec":{"args":[""]}`),
		Entry("a command with quotes", `"exec":{"command":"bin/web --title 'two words' \"and \\\"these\\\"\""}`),
		Entry("a program elsewhere in the store", `"exec":{"command":"`+goodHash+`python/bin/python3 -m app"}`),
		Entry("a branch for a commit", `"commit":"main"`),
		Entry("a domain of one label", `"http":{"domain":"wiki","internalPort":8080}`),
		Entry("punycode", `"http":{"domain":"xn--bcher-kva.example","internalPort":8080}`),
		Entry("a loader path in the store", `"env":{"LD_PRELOAD":"`+goodHash+`jemalloc/lib/libjemalloc.so"}`),
		Entry("an escaped unit", `"systemd":{"after":["dev-disk-by\\x2dlabel-data.device","getty@tty1.service"]}`),
		Entry("a hold with an end in the past", `"hold":{"until":"2020-01-01T00:00:00Z"}`),
		Entry("a nested state directory", `"stateDirectory":"web/data"`),
	)

	DescribeTable("refuses, by path and with the way out",
		func(more, path, want string) {
			_, err := v1.DecodeService([]byte(web(more)))
			Expect(problems(err)).To(HaveLen(1))
			Expect(err.Error()).To(HavePrefix(path + ": "))
			Expect(err.Error()).To(ContainSubstring(want))
		},
		// F11: what could reach a unit, a route, a file or a terminal
		Entry(nil, `"commit":"a\nb"`, "commit", "is not a revision"),
		Entry(nil, `"exec":{"command":["bin/web","a\u0000"]}`, "exec.command[1]", "control character U+0000"),
		Entry(nil, `"exec":{"command":["bin/web\nExecStartPre=+/bin/sh"]}`, "exec.command[0]", "newline"),
		Entry(nil, `"exec":{"args":["\u001b[2J"]}`, "exec.args[0]", "control character U+001B"),
		Entry(nil, `"exec":{"args":["\u0085"]}`, "exec.args[0]", "control character U+0085"),
		Entry(nil, `"env":{"A":"x\ny"}`, "env[A]", "newline"),
		Entry(nil, `"env":{"A":"\u2028"}`, "env[A]", "invisible character U+2028"),
		Entry(nil, `"env":{"A":"\u202e"}`, "env[A]", "invisible character U+202E"),
		Entry(nil, `"env":{"A":"\ufffe"}`, "env[A]", "U+FFFE, which is no character"),
		Entry(nil, `"env":{"A":"`+strings.Repeat("x", 65537)+`"}`, "env[A]", "has 65537 bytes; at most 65536"),
		Entry(nil, `"exec":{"args":["`+strings.Repeat("x", 65536)+`","`+strings.Repeat("x", 65536)+`","x"]}`, "exec.args", "131073 bytes together"),
		Entry(nil, `"hold":{"forever":true,"reason":"a\nb"}`, "hold.reason", "newline"),
		Entry(nil, `"envFile":"/var/lib/biz-secrets/a\nb"`, "envFile", "plain relative path"),
		// F12: paths
		Entry(nil, `"envFile":"/etc/shadow"`, "envFile", "is not below /var/lib/biz-secrets/"),
		Entry(nil, `"envFile":"/var/lib/biz-secrets"`, "envFile", "is not below"),
		Entry(nil, `"envFile":"/var/lib/biz-secrets/"`, "envFile", "plain relative path"),
		Entry(nil, `"envFile":"/var/lib/biz-secrets/../biz-deployer/state.json"`, "envFile", "begins with . or -"),
		Entry(nil, `"envFile":"/var/lib/biz-secrets/*.env"`, "envFile", "plain relative path"),
		Entry(nil, `"envFile":"/var/lib/biz-secrets/%i.env"`, "envFile", "plain relative path"),
		Entry(nil, `"envFile":"/var/lib/biz-secrets/.hidden"`, "envFile", "begins with . or -"),
		Entry(nil, `"envFile":"-/var/lib/biz-secrets/a.env"`, "envFile", "is not below"),
		Entry(nil, `"stateDirectory":"/var/lib/web"`, "stateDirectory", "plain relative path"),
		Entry(nil, `"stateDirectory":"../web"`, "stateDirectory", "begins with . or -"),
		Entry(nil, `"stateDirectory":"a/../../web"`, "stateDirectory", "plain relative path"),
		Entry(nil, `"stateDirectory":"a b"`, "stateDirectory", "plain relative path"),
		Entry(nil, `"stateDirectory":"web:/etc"`, "stateDirectory", "plain relative path"),
		Entry(nil, `"stateDirectory":"biz-secrets"`, "stateDirectory", "belongs to something else"),
		Entry(nil, `"stateDirectory":"private/other"`, "stateDirectory", "belongs to something else"),
		Entry(nil, `"exec":{"command":"../../../bin/sh"}`, "exec.command", "shortest form below the store path"),
		Entry(nil, `"exec":{"command":"/bin/sh -c id"}`, "exec.command", "outside of /nix/store/"),
		Entry(nil, `"exec":{"command":["+bin/web"]}`, "exec.command", "systemd gives a meaning"),
		Entry(nil, `"exec":{"command":[""]}`, "exec.command", "no name"),
		Entry(nil, `"exec":{"command":["bin/we b"]}`, "exec.command", "other than letters"),
		// F13: store paths
		Entry(nil, `"artifact":{}`, "artifact.storePath", "required"),
		Entry(nil, `"artifact":{"type":"docker","storePath":"/nix/store/placeholder"}`, "artifact.type", `"docker" is none of nix-closure`),
		Entry(nil, `"artifact":{"storePath":"/usr/bin"}`, "artifact.storePath", "is not below /nix/store/"),
		Entry(nil, `"artifact":{"storePath":"`+goodHash+`web/bin"}`, "artifact.storePath", "names a file in a store path"),
		Entry(nil, `"artifact":{"storePath":"/nix/store/0123456789abcdfghijklmnpqrsvwxye-web"}`, "artifact.storePath", "is not a store path"),
		Entry(nil, `"artifact":{"storePath":"/nix/store/0123456789ABCDFGHIJKLMNPQRSVWXYZ-web"}`, "artifact.storePath", "is not a store path"),
		Entry(nil, `"artifact":{"storePath":"`+goodHash+`"}`, "artifact.storePath", "is not a store path"),
		Entry(nil, `"artifact":{"storePath":"`+goodHash+strings.Repeat("x", 212)+`"}`, "artifact.storePath", "longer than 211"),
		Entry(nil, `"artifact":{"storePath":"`+goodHash+`a b"}`, "artifact.storePath", "Nix refuses"),
		Entry(nil, `"artifact":{"storePath":"`+goodHash+`.."}`, "artifact.storePath", "Nix refuses"),
		Entry(nil, `"artifact":{"storePath":"`+goodHash+`.-x"}`, "artifact.storePath", "Nix refuses"),
		Entry(nil, `"artifact":{"storePath":"`+goodHash+`web.drv"}`, "artifact.storePath", "is a derivation"),
		Entry(nil, `"artifact":{"storePath":"/nix/store/placeholder","narHash":"sha256-AAAA"}`, "artifact.narHash", "52 characters"),
		// F14: names and ports
		Entry(nil, `"http":{"domain":"*.example.com","internalPort":8080}`, "http.domain", "wildcards"),
		Entry(nil, `"http":{"domain":"Example.com","internalPort":8080}`, "http.domain", "write it in lower case: example.com"),
		Entry(nil, `"http":{"domain":"example.com.","internalPort":8080}`, "http.domain", "dot at the end"),
		Entry(nil, `"http":{"domain":"https://example.com","internalPort":8080}`, "http.domain", "without a scheme"),
		Entry(nil, `"http":{"domain":"example.com/api","internalPort":8080}`, "http.domain", "without a path"),
		Entry(nil, `"http":{"domain":"example.com:443","internalPort":8080}`, "http.domain", "without a port"),
		Entry(nil, `"http":{"domain":"bücher.example","internalPort":8080}`, "http.domain", "xn--"),
		Entry(nil, `"http":{"domain":"192.0.2.1","internalPort":8080}`, "http.domain", "IP address"),
		Entry(nil, `"http":{"domain":"a..b","internalPort":8080}`, "http.domain", "not a host name"),
		Entry(nil, `"http":{"domain":"{env.X}","internalPort":8080}`, "http.domain", "not a host name"),
		Entry(nil, `"http":{"domain":"`+strings.Repeat("a.", 127)+`b","internalPort":8080}`, "http.domain", "longer than 253"),
		Entry(nil, `"http":{"domain":"a.b","aliases":["a.b"],"internalPort":8080}`, "http.aliases[0]", "the domain itself"),
		Entry(nil, `"http":{"domain":"a.b","aliases":["c.d","c.d"],"internalPort":8080}`, "http.aliases[1]", "listed twice"),
		Entry(nil, `"http":{"domain":"a.b"}`, "http.internalPort", "required"),
		Entry(nil, `"http":{"internalPort":8080}`, "http.domain", "required"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":2019}`, "http.internalPort", "Caddy's admin"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":443}`, "http.internalPort", "443 is the port of Caddy"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":65536}`, "http.internalPort", "not between 1 and 65535"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":-1}`, "http.internalPort", "not between 1 and 65535"),
		Entry(nil, `"http":{"domain":"a.b","path":"api","internalPort":8080}`, "http.path", "does not begin with /"),
		Entry(nil, `"http":{"domain":"a.b","path":"/api/","internalPort":8080}`, "http.path", "write /api"),
		Entry(nil, `"http":{"domain":"a.b","path":"/a/../b","internalPort":8080}`, "http.path", "write /b"),
		Entry(nil, `"http":{"domain":"a.b","path":"/*","internalPort":8080}`, "http.path", "plain prefix"),
		Entry(nil, `"http":{"domain":"a.b","path":"/{x}","internalPort":8080}`, "http.path", "plain prefix"),
		Entry(nil, `"http":{"domain":"a.b","path":"/%2e","internalPort":8080}`, "http.path", "plain prefix"),
		Entry(nil, `"http":{"domain":"a.b","path":"/a?b","internalPort":8080}`, "http.path", "plain prefix"),
		// users, variables, limits
		Entry(nil, `"exec":{"user":"0"}`, "exec.user", "not a user"),
		Entry(nil, `"exec":{"user":"web.user"}`, "exec.user", "not a user"),
		Entry(nil, `"exec":{"user":"`+strings.Repeat("u", 32)+`"}`, "exec.user", "not a user"),
		Entry(nil, `"exec":{"user":"web","group":"a:b"}`, "exec.group", "not a user"),
		Entry(nil, `"exec":{"group":"root"}`, "hardening.dynamicUser", "group root"),
		Entry(nil, `"env":{"1A":"x"}`, "env[1A]", "not a variable name"),
		Entry(nil, `"env":{"A-B":"x"}`, "env[A-B]", "not a variable name"),
		Entry(nil, `"env":{"":"x"}`, "env[]", "not a variable name"),
		Entry(nil, `"env":{"NOTIFY_SOCKET":"x"}`, "env[NOTIFY_SOCKET]", "systemd sets"),
		Entry(nil, `"env":{"CREDENTIALS_DIRECTORY":"x"}`, "env[CREDENTIALS_DIRECTORY]", "systemd sets"),
		Entry(nil, `"env":{"LD_PRELOAD":"/var/lib/web/x.so"}`, "env[LD_PRELOAD]", "below /nix/store/"),
		Entry(nil, `"env":{"LD_LIBRARY_PATH":"/nix/store/../../tmp"}`, "env[LD_LIBRARY_PATH]", "below /nix/store/"),
		Entry(nil, `"resources":{"memoryMax":"512MB"}`, "resources.memoryMax", "is not a size"),
		Entry(nil, `"resources":{"memoryMax":"512"}`, "resources.memoryMax", "was a unit left out"),
		Entry(nil, `"resources":{"memoryMax":"99999999T"}`, "resources.memoryMax", "is not a size"),
		Entry(nil, `"resources":{"memoryMax":"0512M"}`, "resources.memoryMax", "is not a size"),
		Entry(nil, `"resources":{"cpuQuota":"1.5"}`, "resources.cpuQuota", "is not a quota"),
		Entry(nil, `"resources":{"cpuQuota":"0%"}`, "resources.cpuQuota", "is not a quota"),
		Entry(nil, `"resources":{"tasksMax":-1}`, "resources.tasksMax", "not between"),
		// systemd and hardening
		Entry(nil, `"systemd":{"restart":"onfailure"}`, "systemd.restart", "did you mean on-failure?"),
		Entry(nil, `"systemd":{"after":["network"]}`, "systemd.after[0]", "not a unit name"),
		Entry(nil, `"systemd":{"after":["a.service\nExecStart=x"]}`, "systemd.after[0]", "not a unit name"),
		Entry(nil, `"systemd":{"requires":["a b.service"]}`, "systemd.requires[0]", "not a unit name"),
		Entry(nil, `"systemd":{"requires":["getty@.service"]}`, "systemd.requires[0]", "not a unit name"),
		Entry(nil, `"systemd":{"requires":["%i.service"]}`, "systemd.requires[0]", "not a unit name"),
		Entry(nil, `"systemd":{"restartSec":"2h"}`, "systemd.restartSec", "2h is not between 1ms and 1h"),
		Entry(nil, `"hardening":{"profile":"Strict"}`, "hardening.profile", "did you mean strict?"),
		Entry(nil, `"hardening":{"allow":["JIT"]}`, "hardening.allow[0]", "did you mean jit?"),
		Entry(nil, `"hardening":{"allow":["jit","jit"]}`, "hardening.allow[1]", "listed twice"),
		Entry(nil, `"hardening":{"dynamicUser":false}`, "hardening.dynamicUser", "would run as root"),
		Entry(nil, `"exec":{"user":"root"},"hardening":{"dynamicUser":true}`, "hardening.dynamicUser", "root cannot be"),
		Entry(nil, `"hardening":{"privateTmp":false}`, "hardening.privateTmp", "no effect with a dynamic user"),
		Entry(nil, `"hardening":{"protectSystem":"full"}`, "hardening.protectSystem", "no effect with a dynamic user"),
		Entry(nil, `"hardening":{"protectHome":false}`, "hardening.protectHome", "no effect with a dynamic user"),
		Entry(nil, `"hardening":{"protectHome":"maybe"}`, "hardening.protectHome", "is none of true, false, read-only, tmpfs"),
		// health and deploy
		Entry(nil, `"health":{"path":"/"}`, "health.path", "there is no http"),
		Entry(nil, `"health":{"tcp":true}`, "health.tcp", "needs http.internalPort"),
		Entry(nil, `"health":{"notify":true,"exec":["bin/check"]}`, "health", "exec and notify are set; keep one"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080},"health":{"tcp":true,"status":200}`, "health.status", "but tcp is set"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080},"health":{"status":99}`, "health.status", "not between 200 and 599"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080},"health":{"path":"//evil.example"}`, "health.path", "another host"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080},"health":{"path":"/a b"}`, "health.path", "request line"),
		Entry(nil, `"health":{"rise":5,"interval":"20s"}`, "health.deadline", "1m is too short for 5 probes every 20s"),
		Entry(nil, `"health":{"deadline":"2h"}`, "health.deadline", "not between"),
		Entry(nil, `"deploy":{"soak":"25h"}`, "deploy.soak", "not between 1ms and 24h"),
		Entry(nil, `"deploy":{"drain":"-1s"}`, "deploy.drain", "not above zero"),
		Entry(nil, `"deploy":{"strategy":"overlap"}`, "deploy.strategy", "there is no http"),
		Entry(nil, `"deploy":{"strategy":"bluegreen"}`, "deploy.strategy", "is none of overlap, replace"),
		Entry(nil, `"deploy":{"order":["other"]}`, "deploy.order[0]", "is not one of hosts"),
		Entry(nil, `"deploy":{"attempt":-1}`, "deploy.attempt", "not between"),
		Entry(nil, `"hold":{}`, "hold.until", "required"),
		Entry(nil, `"hold":{"until":"2027-01-01T00:00:00Z","forever":true}`, "hold.forever", "keep one"),
	)

	DescribeTable("takes names and hosts only in one form",
		func(name, host string, good bool) {
			s := v1.Service{Name: name, Hosts: []string{host}}
			if good {
				Expect(s.Validate(nil)).To(BeEmpty())
			} else {
				Expect(s.Validate(nil)).To(HaveLen(1))
			}
		},
		Entry(nil, "a", "biz", true),
		Entry(nil, "caddy", "biz-1.example.com", true),
		Entry(nil, strings.Repeat("a", 40), "biz", true),
		Entry(nil, strings.Repeat("a", 41), "biz", false),
		Entry(nil, "", "biz", false),
		Entry(nil, "-a", "biz", false),
		Entry(nil, "a-", "biz", false),
		Entry(nil, "a_b", "biz", false),
		Entry(nil, "a.b", "biz", false),
		Entry(nil, "../a", "biz", false),
		Entry(nil, "a@b", "biz", false),
		Entry(nil, "web-standby", "biz", false),
		Entry(nil, "standby", "biz", true),
		Entry(nil, "web", "Biz", false),
		Entry(nil, "web", "*", false),
		Entry(nil, "web", "", false),
	)
})

var _ = Describe("validating a document", func() {
	DescribeTable("finds what two services cannot share",
		func(a, b string, want ...string) {
			text := fmt.Sprintf(`{"version":1,"services":[%s,%s]}`, a, b)
			_, err := v1.Decode([]byte(text))
			if len(want) == 0 {
				Expect(err).NotTo(HaveOccurred())
				return
			}
			Expect(problems(err)).To(Equal(want))
		},
		Entry("a name", web(""), web(""), `services[1].name: "web" is already the name of services[0]`),
		Entry("a port on one host",
			`{"name":"a","hosts":["x","y"],"http":{"domain":"a.b","internalPort":8080}}`,
			`{"name":"b","hosts":["y","z"],"http":{"domain":"c.d","internalPort":8080}}`,
			"services[1].http.internalPort: port 8080 is already taken by service a on host y"),
		Entry("a domain and path, also by an alias and in another case",
			`{"name":"a","hosts":["x"],"http":{"domain":"a.b","aliases":["c.d"],"path":"/Api","internalPort":8080}}`,
			`{"name":"b","hosts":["x"],"http":{"domain":"c.d","path":"/api","internalPort":8081}}`,
			"services[1].http.domain: c.d/api is already taken by service a on host x"),
		Entry("no path is the path /",
			`{"name":"a","hosts":["x"],"http":{"domain":"a.b","internalPort":8080}}`,
			`{"name":"b","hosts":["x"],"http":{"domain":"a.b","path":"/","internalPort":8081}}`,
			"services[1].http.domain: a.b/ is already taken by service a on host x"),
		Entry("a state directory, or one within",
			`{"name":"a","hosts":["x"],"stateDirectory":"data"}`, `{"name":"b","hosts":["x"],"stateDirectory":"data/b"}`,
			"services[1].stateDirectory: /var/lib/data is already taken by service a on host x"),
		Entry("but a domain with other paths is fine",
			`{"name":"a","hosts":["x"],"http":{"domain":"a.b","internalPort":8080}}`,
			`{"name":"b","hosts":["x"],"http":{"domain":"a.b","path":"/api","internalPort":8081}}`),
		Entry("and so are a port and a domain on other hosts",
			`{"name":"a","hosts":["x"],"http":{"domain":"a.b","internalPort":8080}}`,
			`{"name":"b","hosts":["y"],"http":{"domain":"a.b","internalPort":8080}}`),
	)

	DescribeTable("checks its own fields",
		func(head, want string) {
			_, err := v1.Decode([]byte(`{"version":1,"generation":5,` + head + `,"services":[` + web("") + `]}`))
			Expect(problems(err)).To(Equal([]string{want}))
		},
		Entry(nil, `"removed":[{"name":"web"}]`, `removed[0].name: "web" is also a service; take it out of one of the two lists`),
		Entry(nil, `"removed":[{"name":"a"},{"name":"a"}]`, `removed[1].name: "a" is listed twice`),
		Entry(nil, `"removed":[{"name":"a/b"}]`, `removed[0].name: "a/b": write 1 to 40 of a-z, 0-9 and -, beginning and ending with a letter or digit`),
		Entry(nil, `"removed":[{"name":"a","generation":6}]`, `removed[0].generation: 6 is not between 0 and the document's generation 5`),
		Entry(nil, `"lineage":"a b"`, `lineage: "a b" is not the id that init gives`),
		Entry(nil, `"previous":"sha256:x"`, `previous: "sha256:x" is not sha256: and 64 hexadecimal digits`),
		Entry(nil, `"updatedAt":"1970-01-01T00:00:00Z"`, `updatedAt: 1970-01-01 is not a sensible time`),
		Entry(nil, `"updatedAt":"2026-01-02T00:00:00Z","expires":"2026-01-01T00:00:00Z"`, `expires: is not after updatedAt`),
		Entry(nil, `"message":"a\u001b[0m"`, `message: has the control character U+001B`),
		Entry(nil, `"updatedBy":"`+strings.Repeat("x", 257)+`"`, `updatedBy: has 257 bytes; at most 256`),
	)
	It("refuses a generation outside of what JSON keeps exactly", func() {
		_, err := v1.Decode([]byte(`{"version":1,"generation":-1,"services":[]}`))
		Expect(problems(err)).To(Equal([]string{"generation: -1 is not between 0 and 9007199254740991"}))
	})
})
