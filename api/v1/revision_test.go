package v1_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

// service decodes a service that has to be valid.
func service(text string) v1.Service {
	GinkgoHelper()
	s, err := v1.DecodeService([]byte(text))
	Expect(err).NotTo(HaveOccurred())
	return *s
}

const released = `"artifact":{"storePath":"` + goodHash + `web"}`

var _ = Describe("the revision", func() {
	// Golden: a change here deploys every service of every host anew. When it is meant,
	// raise the hash version.
	It("is the one it always was", func() {
		m, err := v1.DecodeManifest([]byte(everything))
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Services[0].Release().Revision()).To(Equal(goldenRevision))
		Expect(service(web(released)).Release().Revision()).To(Equal(goldenLeast))
		Expect(m.Hash()).To(Equal(goldenHash))
	})

	It("is a plain word that names files", func() {
		Expect(service(web(released)).Release().Revision()).To(MatchRegexp(`^1[0-9a-v]{11}$`))
	})

	DescribeTable("does not see how the same thing is written",
		func(a, b string) {
			Expect(service(web(a)).Release().Revision()).To(Equal(service(web(b)).Release().Revision()))
		},
		Entry("null, absent", `"env":null,"exec":null,"http":null`, ``),
		Entry("empty, absent", `"env":{},"exec":{"command":"","args":[],"user":""},"systemd":{"after":[]},"resources":{}`, ``),
		Entry("a command as text, as a list", `"exec":{"command":"bin/web 'a b'"}`, `"exec":{"command":["bin/web","a b"]}`),
		Entry("a time in other units", `"systemd":{"restartSec":"1m"}`, `"systemd":{"restartSec":60}`),
		Entry("the order of variables", `"env":{"A":"1","B":"2"}`, `"env":{"B":"2","A":"1"}`),
	)

	DescribeTable("tells apart what a process can tell apart",
		func(a, b string) {
			Expect(service(web(a)).Release().Revision()).NotTo(Equal(service(web(b)).Release().Revision()))
		},
		Entry("an empty variable, none", `"env":{"A":""}`, ``),
		Entry("an empty argument, none", `"exec":{"args":[""]}`, ``),
		Entry("false, absent", `"exec":{"user":"web"},"hardening":{"privateTmp":false}`, `"exec":{"user":"web"}`),
		Entry("one word, two words", `"exec":{"args":["a b"]}`, `"exec":{"args":["a","b"]}`),
		Entry("another try", `"deploy":{"attempt":1}`, ``),
	)

	It("follows neither our defaults nor what applies in place", func() {
		a := service(web(released + `,"http":{"domain":"a.b","internalPort":8080}`))
		b := service(web(released + `,"http":{"domain":"c.d","aliases":["e.f"],"path":"/x","internalPort":8080},
			"deploy":{"soak":"1s","drain":"1s","strategy":"replace"},"health":{"path":"/h","deadline":"5s"},"commit":"abc","protect":true`))
		b.Hosts = []string{"other"}
		Expect(a.Release().Revision()).To(Equal(b.Release().Revision()))
	})

	It("survives the host's file", func() {
		m, err := v1.DecodeManifest([]byte(everything))
		Expect(err).NotTo(HaveOccurred())
		for _, r := range []v1.Release{m.Services[0].Release(), m.Services[0].Release().Default()} {
			data, err := json.Marshal(r)
			Expect(err).NotTo(HaveOccurred())
			var back v1.Release
			Expect(json.Unmarshal(data, &back)).To(Succeed())
			Expect(back).To(Equal(r))
			Expect(back.Revision()).To(Equal(r.Revision()))
		}
	})

	It("gives a manifest one hash, however times and lists are held", func() {
		m := &v1.Manifest{Version: 1, UpdatedAt: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
		n := &v1.Manifest{Version: 1, UpdatedAt: m.UpdatedAt.In(time.FixedZone("x", 3600)), Services: []v1.Service{}}
		Expect(m.Hash()).To(Equal(n.Hash()))
		n.Generation++
		Expect(m.Hash()).NotTo(Equal(n.Hash()))
	})
})

var _ = Describe("defaults", func() {
	It("fills in what was left out, and changes nothing of the original", func() {
		s := service(web(released + `,"http":{"domain":"a.b","internalPort":8080},"env":{"PORT":"8080"}`))
		before, err := json.Marshal(s)
		Expect(err).NotTo(HaveOccurred())
		d := s.Default()
		yes := true
		Expect(d.Artifact.Type).To(Equal("nix-closure"))
		Expect(d.Exec).To(Equal(v1.Exec{Command: v1.Command{"bin/web"}, User: "biz-web"}))
		Expect(d.HTTP.Path).To(Equal("/"))
		Expect(*d.Health).To(Equal(v1.Health{
			Interval: v1.Duration(500 * time.Millisecond), Timeout: v1.Duration(5 * time.Second),
			Deadline: v1.Duration(time.Minute), Rise: 2,
		}))
		Expect(d.Deploy).To(Equal(v1.Deploy{
			Strategy: "overlap", Soak: v1.Duration(10 * time.Second), Drain: v1.Duration(30 * time.Second),
		}))
		Expect(d.Systemd).To(Equal(v1.Systemd{Restart: "always", RestartSec: v1.Duration(10 * time.Millisecond)}))
		Expect(d.Hardening).To(Equal(v1.Hardening{
			Profile: "standard", DynamicUser: &yes, PrivateTmp: &yes, ProtectSystem: "strict", ProtectHome: "true",
		}))
		Expect(json.Marshal(s)).To(Equal(before))
		Expect(d.Validate(nil)).To(BeEmpty())
		Expect(d.Default()).To(Equal(d))
	})

	It("keeps what was written, root included", func() {
		s := service(oldService).Default()
		no := false
		Expect(s.Exec.User).To(Equal("root"))
		Expect(s.Exec.Group).To(Equal("root"))
		Expect(s.Hardening.DynamicUser).To(Equal(&no))
	})

	It("says what systemd will show when there is no profile", func() {
		h := service(web(`"hardening":{"profile":"none"}`)).Default().Hardening
		Expect(*h.PrivateTmp).To(BeTrue())
		Expect(h.ProtectSystem).To(BeEquivalentTo("strict"))
		Expect(h.ProtectHome).To(BeEquivalentTo("read-only"))
		h = service(web(`"exec":{"user":"root"},"hardening":{"profile":"none"}`)).Default().Hardening
		Expect(*h.PrivateTmp).To(BeFalse())
		Expect(h.ProtectSystem).To(Equal(v1.ToggleOff))
	})

	DescribeTable("chooses the health type",
		func(more string, want v1.HealthType) {
			Expect(service(web(more)).HealthType()).To(Equal(want))
		},
		Entry(nil, ``, v1.HealthNone),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080}`, v1.HealthHTTP),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080},"health":{"tcp":true}`, v1.HealthTCP),
		Entry(nil, `"health":{"exec":"bin/check"}`, v1.HealthExec),
		Entry(nil, `"health":{"notify":true}`, v1.HealthNotify),
		Entry(nil, `"health":{"deadline":"5s"}`, v1.HealthNone),
	)

	DescribeTable("chooses the strategy and says why",
		func(more, strategy, reason string) {
			gotStrategy, gotReason := service(web(more)).StrategyReason()
			Expect(gotStrategy).To(Equal(strategy))
			Expect(gotReason).To(Equal(reason))
		},
		Entry(nil, ``, "replace", "it has no http"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080}`, "replace", "env.PORT is not http.internalPort (8080)"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080},"env":{"PORT":"8081"}`, "replace", "env.PORT is not http.internalPort (8080)"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080},"env":{"PORT":"8080"},"stateDirectory":"web"`, "replace", "it has a stateDirectory"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080},"env":{"PORT":"8080"}`, "overlap", "it takes its port from PORT and has no stateDirectory"),
		Entry(nil, `"http":{"domain":"a.b","internalPort":8080},"deploy":{"strategy":"overlap"},"stateDirectory":"web"`, "overlap", "deploy.strategy says so"),
	)

	It("names a service's user within Linux's 31 characters, one for each service", func() {
		Expect(v1.UserName("web")).To(Equal("biz-web"))
		Expect(v1.UserName(strings.Repeat("a", 27))).To(Equal("biz-" + strings.Repeat("a", 27)))
		long := v1.UserName(strings.Repeat("a", 28))
		Expect(long).To(Equal("biz-" + goldenUser))
		Expect(v1.UserName(strings.Repeat("a", 29))).NotTo(Equal(long))
		for n := 1; n <= 40; n++ {
			s := v1.Service{Name: strings.Repeat("a", n), Hosts: []string{"biz"}}.Default()
			Expect(s.Validate(nil)).To(BeEmpty(), fmt.Sprint(n))
		}
	})
})

var _ = Describe("values", func() {
	DescribeTable("durations read and write what people write",
		func(in, out string) {
			var d v1.Duration
			Expect(json.Unmarshal([]byte(in), &d)).To(Succeed())
			Expect(json.Marshal(d)).To(MatchJSON(out))
		},
		Entry(nil, `10`, `"10s"`), Entry(nil, `"10"`, `"10s"`), Entry(nil, `0.5`, `"500ms"`),
		Entry(nil, `"1m"`, `"1m"`), Entry(nil, `"1h"`, `"1h"`), Entry(nil, `"90m"`, `"1h30m"`), Entry(nil, `"1h0m5s"`, `"1h0m5s"`),
	)
	DescribeTable("toggles are booleans or words",
		func(in, out string) {
			var t v1.Toggle
			Expect(json.Unmarshal([]byte(in), &t)).To(Succeed())
			Expect(json.Marshal(t)).To(MatchJSON(out))
		},
		Entry(nil, `true`, `true`), Entry(nil, `"yes"`, `true`), Entry(nil, `"no"`, `false`), Entry(nil, `"strict"`, `"strict"`),
	)
	DescribeTable("splits words as a shell would",
		func(line string, want ...string) {
			words, err := v1.SplitWords(line)
			Expect(err).NotTo(HaveOccurred())
			Expect(words).To(Equal(want))
		},
		Entry("blanks", "  a\tb \n c ", "a", "b", "c"),
		Entry("single quotes", `a 'b "c" \d $e'`, "a", `b "c" \d $e`),
		Entry("double quotes", `"a 'b' \"c\" \\ \$ \n"`, `a 'b' "c" \ $ \n`),
		Entry("joined parts", `a"b"'c'\ d`, "abc d"),
		Entry("empty words", `"" a ''`, "", "a", ""),
		Entry("no expansion", `$HOME *.go ; ls | wc #x`, "$HOME", "*.go", ";", "ls", "|", "wc", "#x"),
		Entry("other letters", `"ü 😀"`, "ü 😀"),
	)
	DescribeTable("refuses half a word",
		func(line, want string) {
			_, err := v1.SplitWords(line)
			Expect(err).To(MatchError(want))
		},
		Entry(nil, `a 'b`, "a single quote is not closed"),
		Entry(nil, `a "b\"`, "a double quote is not closed"),
		Entry(nil, `a \`, "the line ends with a backslash"),
	)
	It("explains every word of hardening.allow", func() {
		seen := map[string]bool{}
		for _, w := range v1.AllowWords() {
			Expect(w.Word).To(MatchRegexp(`^[a-z]+(-[a-z]+)*$`))
			Expect(w.Meaning).NotTo(BeEmpty())
			Expect(w.Lifts).NotTo(BeEmpty())
			Expect(seen).NotTo(HaveKey(w.Word))
			seen[w.Word] = true
			service(web(fmt.Sprintf(`"hardening":{"allow":[%q]}`, w.Word)))
		}
	})
})
