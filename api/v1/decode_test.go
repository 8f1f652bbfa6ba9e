package v1_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "deployer/api/v1"
)

const oldService = `{"name":"my-new-service","artifact":{"storePath":"/nix/store/placeholder"},"hosts":["biz"],
 "exec":{"command":null,"user":"root","group":"root"},"env":{"PORT":"8080","AREA":"Live"},
 "envFile":"/var/lib/biz-secrets/my-new-service.env",
 "http":{"domain":"myservice.example.com","path":"/","internalPort":8080}}`

const fiveMistakes = `{"signatures":[],"manifest":{"version":1,"generation":3,"services":[
 {"name":"Web","hosts":["biz"]},
 {"name":"api","hosts":["biz"],"http":{"domain":"api.example.com","internal_port":8080}},
 {"name":"mail","hosts":[],"env":{"PORT":8080}},
 {"name":"cron","hosts":["biz"],"exec":{"args":["a\nb"]}}
]}}`

// list is n numbered JSON strings.
func list(prefix string, n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%q", prefix+fmt.Sprint(i)))
	}
	return strings.Join(out, ",")
}

// problems are the lines of an error, or nothing.
func problems(err error) []string {
	if err == nil {
		return nil
	}
	var list v1.ErrorList
	Expect(errors.As(err, &list)).To(BeTrue(), "%v is no ErrorList", err)
	var out []string
	for _, e := range list {
		out = append(out, v1.Describe(e))
	}
	return out
}

var _ = Describe("decoding", func() {
	It("names five mistakes by path, all at once", func() {
		_, err := v1.Decode([]byte(fiveMistakes))
		Expect(err).To(MatchError(`5 problems:
  services[0].name: "Web": write 1 to 40 of a-z, 0-9 and -, beginning and ending with a letter or digit
  services[1].http.internal_port: unknown field; did you mean internalPort?
  services[2].env[PORT]: expected a string, got a number ("8080")
  services[2].hosts: required; name at least one host; remove-service takes a service down
  services[3].exec.args[0]: has a newline; it must be one line`))
		var one *field.Error
		Expect(errors.As(err, &one)).To(BeTrue())
		Expect(one.Field).To(Equal("services[0].name"))
	})

	It("takes the service that people add today, as it stands", func() {
		s, err := v1.DecodeService([]byte(oldService))
		Expect(err).NotTo(HaveOccurred())
		Expect(*s).To(Equal(v1.Service{
			Name: "my-new-service", Artifact: &v1.Artifact{StorePath: v1.PlaceholderPath}, Hosts: []string{"biz"},
			Exec: v1.Exec{User: "root", Group: "root"}, Env: map[string]string{"PORT": "8080", "AREA": "Live"},
			EnvFile: "/var/lib/biz-secrets/my-new-service.env",
			HTTP:    &v1.HTTP{Domain: "myservice.example.com", Path: "/", InternalPort: 8080},
		}))
		Expect(s.HasRelease()).To(BeFalse())
	})

	It("reads a bare document of the old system as generation 0", func() {
		m, err := v1.Decode([]byte(`{"version":1,"services":[` + oldService + `]}`))
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Generation).To(BeZero())
		Expect(m.Service("my-new-service")).NotTo(BeNil())
	})

	It("reads what it wrote, also when people wrote YAML", func() {
		m, err := v1.DecodeManifest([]byte(everything))
		Expect(err).NotTo(HaveOccurred())
		data, err := v1.Encode(m)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(HavePrefix("{\n \"signatures\": [],\n \"manifest\": {\n  \"version\": 1,"))
		Expect(string(data)).To(HaveSuffix("}\n"))
		again, err := v1.Decode(data)
		Expect(err).NotTo(HaveOccurred())
		Expect(again).To(Equal(m))
		Expect(again.Hash()).To(Equal(m.Hash()))
	})

	It("refuses to write what no host would read", func() {
		_, err := v1.Encode(&v1.Manifest{Version: 1, Services: []v1.Service{{Name: "web"}}})
		Expect(problems(err)).To(ConsistOf(HavePrefix("services[0].hosts: required")))
		big := &v1.Manifest{Version: 1}
		for i := range 20 {
			big.Services = append(big.Services, v1.Service{
				Name: fmt.Sprintf("s%d", i), Hosts: []string{"biz"}, Env: map[string]string{"A": strings.Repeat("x", 60<<10)},
			})
		}
		_, err = v1.Encode(big)
		Expect(err).To(MatchError(ContainSubstring("hosts read at most 1048576")))
	})

	It("keeps the literal text of unquoted YAML scalars where a text is wanted", func() {
		s, err := v1.DecodeService([]byte(`
name: web
hosts: [biz]
commit: 1e10
env: {PORT: 8080, COUNTRY: no, FLAG: yes, ON: on, HEX: 0x1F, OCT: 0755, FLOAT: 1.50, DATE: 2026-11-23, T: True, EMPTY: ""}
exec: {command: [serve, --port, 8080]}
systemd: {restart: no}
hardening: {profile: standard, privateTmp: true}
resources: {cpuQuota: 150%, memoryMax: 512M}
`))
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Commit).To(Equal("1e10"))
		Expect(s.Env).To(Equal(map[string]string{
			"PORT": "8080", "COUNTRY": "no", "FLAG": "yes", "ON": "on", "HEX": "0x1F", "OCT": "0755",
			"FLOAT": "1.50", "DATE": "2026-11-23", "T": "True", "EMPTY": "",
		}))
		Expect(s.Exec.Command).To(Equal(v1.Command{"serve", "--port", "8080"}))
		Expect(s.Systemd.Restart).To(Equal("no"))
	})

	It("tells a host that a newer program wrote the document", func() {
		_, err := v1.Decode([]byte(`{"version":1,"services":[],"canary":{"percent":5}}`))
		Expect(v1.IsUnknownField(err)).To(BeTrue())
		_, err = v1.Decode([]byte(`{"version":2,"services":[]}`))
		Expect(v1.IsUnknownField(err)).To(BeFalse())
		Expect(v1.NeedsNewer(err)).To(BeTrue())
		_, err = v1.Decode([]byte(`{"version":1,"services":[{}]}`))
		Expect(v1.NeedsNewer(err)).To(BeFalse())
		Expect(v1.IsUnknownField(nil)).To(BeFalse())
		Expect(v1.IsUnknownField(fmt.Errorf("reading the store: %w", err))).To(BeFalse())
	})

	It("does not blame a field twice for what could not be read", func() {
		_, err := v1.DecodeService([]byte(web(`"exec":{"command":[5]}`)))
		Expect(err).To(MatchError(`exec.command[0]: expected a string, got a number ("5")`))
	})

	It("keeps opaque signatures from getting in the way", func() {
		m, err := v1.Decode([]byte(`{"signatures":[{"key":"a","sig":"b"}],"manifest":{"version":1,"services":[]}}`))
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Services).To(BeEmpty())
	})

	It("gives times in UTC", func() {
		m, err := v1.Decode([]byte(`{"version":1,"updatedAt":"2026-11-23T11:00:00+01:00","services":[]}`))
		Expect(err).NotTo(HaveOccurred())
		Expect(m.UpdatedAt).To(Equal(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)))
	})

	It("bounds what a hostile document costs", func() {
		many := `{"version":1,"services":[` + strings.TrimSuffix(strings.Repeat("{},", 300_000), ",") + `]}`
		_, err := v1.Decode([]byte(many))
		Expect(err).To(MatchError(ContainSubstring("more than 200000 values")))
		some := `{"version":1,"services":[` + strings.TrimSuffix(strings.Repeat("{},", 4097), ",") + `]}`
		_, err = v1.Decode([]byte(some))
		Expect(problems(err)).To(Equal([]string{"services: has 4097 elements; at most 4096 are read"}))
		_, err = v1.Decode([]byte(strings.Replace(some, "{},", "", 1)))
		Expect(len(problems(err))).To(Equal(1000))
	})

	// Unknown keys once took 20 s and more for 1 MiB: a suggestion was looked for after
	// the list of problems was full.
	DescribeTable("is done with a hostile document in no time",
		func(begin, part, end string) {
			var b strings.Builder
			b.WriteString(begin)
			size := 1 << 18 // YAML, slow under the race detector
			if strings.HasPrefix(begin, "{") {
				size = 1 << 20
			}
			for i := 0; b.Len() < size-len(end)-32; i++ {
				b.WriteString(strings.ReplaceAll(part, "%", fmt.Sprint(i)))
			}
			b.WriteString(end)
			start := time.Now()
			_, err := v1.Decode([]byte(b.String()))
			Expect(err).To(HaveOccurred())
			Expect(len(err.Error())).To(BeNumerically("<", 40_000))
			Expect(time.Since(start)).To(BeNumerically("<", 10*time.Second))
		},
		Entry("unknown keys", `{`, `"serv%":1,`, `"z":1}`),
		Entry("unknown keys in YAML", ``, "k%: 1\n", ""),
		Entry("variables", `{"version":1,"services":[{"name":"a","hosts":["b"],"env":{`, `"K%":"",`, `"Z":""}}]}`),
		Entry("flow lists in YAML", "a: [", "a,", "a]"),
		Entry("flow maps in YAML", "a: {", "k%: 1,", "z: 1}"),
		Entry("an open flow map in YAML", "a: {", "k%: 1,", ""),
		Entry("lists in lists", "", "- - - a\n", ""),
		Entry("brackets", "a: ", "[", ""),
		Entry("aliases", "a: &a 1\nb: [", "*a,", "*a]"),
		Entry("words that are not allowed", `{"version":1,"services":[`, `{"hardening":{"allow":["xxxxxxxx%","yyyyyyy%","zzzzzzz%"]}},`, `{}]}`),
		Entry("services on many hosts with many names", `{"version":1,"services":[`,
			`{"name":"s%","hosts":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q","r","s","t"],"http":{"domain":"%.x","internalPort":8080,"aliases":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q","r","s","t"]}},`, `{}]}`),
		Entry("one service with all of that", `{"version":1,"services":[{"name":"s","hosts":[`+list("h", 4096)+`],"http":{"domain":"a.b","internalPort":8080,"aliases":[`+list("a", 4096)+`]},"exec":{"args":[`,
			`"",`, `""]}}]}`),
	)

	DescribeTable("refuses text that is no document",
		func(text, want string) {
			m, err := v1.Decode([]byte(text))
			Expect(err).To(MatchError(want))
			Expect(m).To(BeNil())
		},
		Entry("nothing", " \n", "the document is empty"),
		Entry("only a comment", "# nothing\n", "the document is empty"),
		Entry("null", "null", "expected an object, got null"),
		Entry("a captive portal", "<html><body>Log in</body></html>", `expected an object, got a string ("<html><body>Log in</body></html>")`),
		Entry("a list", "[]", "expected an object, got a list"),
		Entry("a cut-off document", "{\"version\":1,\n\"serv", "reading JSON: line 2, column 5: unexpected end of JSON input"),
		Entry("trailing bytes", `{"version":1,"services":[]} {}`, "reading JSON: line 1, column 29: invalid character '{' after top-level value"),
		Entry("a second YAML document", "version: 1\nservices: []\n---\nversion: 1\n", "reading YAML: line 3: a second document; write one"),
		Entry("over 1 MiB", strings.Repeat(" ", 1<<20)+"{}", "the document has 1048578 bytes; at most 1048576 are read"),
		Entry("not UTF-8", "{\"a\":\"\xff\"}", "the document is not UTF-8 text"),
		Entry("too deep", `{"a":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+"}", "reading JSON: objects and lists are nested deeper than 32"),
		Entry("much too deep", `{"a":`+strings.Repeat("[", 100_000), "reading JSON: line 1, column 10005: invalid character '[' exceeded max depth"),
		Entry("too deep in YAML", "a: "+strings.Repeat("[", 40)+strings.Repeat("]", 40), "reading YAML: objects and lists are nested deeper than 32"),
		Entry("an alias bomb", "a: &a [x,x]\nb: [*a,*a]\n", "reading YAML: line 1: anchors (&) and aliases (*) are not read; write the value out"),
		Entry("a merge key", "a: {b: 1}\nc:\n  <<: {d: 1}\n", "reading YAML: line 3: a key is not a name"),
		Entry("a tag", "version: !!binary MQ==\n", `reading YAML: line 1: the tag "!!binary" is not read; leave it out`),
		Entry("tabs in YAML", "version: 1\n\tservices: []\n", "reading YAML: line 2: found a tab character that violates indentation"),
		Entry("a manifest that is a list", `{"signatures":[],"manifest":[]}`, "manifest: expected an object, got a list"),
		Entry("no services", `{"version":1}`, "services: required; write [] for none"),
		Entry("services null", `{"version":1,"services":null}`, "services: required; write [] for none"),
		Entry("no version", `{"services":[]}`, "version: required; write 1"),
	)

	DescribeTable("names what is wrong with a field",
		func(text string, want ...string) {
			_, err := v1.Decode([]byte(`{"version":1,"generation":5,"services":[` + text + `]}`))
			Expect(problems(err)).To(Equal(want))
			asYAML := "version: 1\ngeneration: 5\nservices: [" + strings.ReplaceAll(text, "\n", " ") + "]"
			_, err = v1.Decode([]byte(asYAML))
			Expect(err).To(HaveOccurred())
		},
		Entry("a wrong-case key", `{"Name":"web","name":"web","hosts":["biz"]}`,
			"services[0].Name: unknown field; did you mean name?"),
		Entry("a wrong-case key alone", `{"name":"web","hosts":["biz"],"envfile":"/var/lib/biz-secrets/web.env"}`,
			"services[0].envfile: unknown field; did you mean envFile?"),
		Entry("a key like none", `{"name":"web","hosts":["biz"],"frobnicate":{}}`,
			"services[0].frobnicate: unknown field"),
		Entry("a duplicate key", `{"name":"web","hosts":["biz"],"hosts":["other"]}`,
			"services[0].hosts: written twice; keep one"),
		Entry("a duplicate variable", `{"name":"web","hosts":["biz"],"env":{"A":"1","A":"2"}}`,
			"services[0].env[A]: written twice; keep one"),
		Entry("a port in quotes", `{"name":"web","hosts":["biz"],"http":{"domain":"a.b","internalPort":"8080"}}`,
			`services[0].http.internalPort: expected a number, got a string ("8080")`),
		Entry("a port with a fraction", `{"name":"web","hosts":["biz"],"http":{"domain":"a.b","internalPort":80.5}}`,
			`services[0].http.internalPort: expected a whole number, got a number ("80.5")`),
		Entry("a port as 1e3", `{"name":"web","hosts":["biz"],"http":{"domain":"a.b","internalPort":1e3}}`,
			`services[0].http.internalPort: expected a whole number, got a number ("1e3")`),
		Entry("a number that overflows", `{"name":"web","hosts":["biz"],"resources":{"tasksMax":99999999999999999999}}`,
			`services[0].resources.tasksMax: expected a whole number, got a number ("99999999999999999999")`),
		Entry("a text for a list", `{"name":"web","hosts":"biz"}`,
			`services[0].hosts: expected a list, got a string ("biz")`),
		Entry("null in a list", `{"name":"web","hosts":["biz",null]}`,
			`services[0].hosts[1]: expected a value, got null`),
		Entry("null as a variable", `{"name":"web","hosts":["biz"],"env":{"A":null}}`,
			`services[0].env[A]: expected a string ("" for an empty one), got null`),
		Entry("a list for a block", `{"name":"web","hosts":["biz"],"http":[]}`,
			`services[0].http: expected an object, got a list`),
		Entry("a word for a boolean", `{"name":"web","hosts":["biz"],"protect":"yes"}`,
			`services[0].protect: expected true or false, got a string ("yes")`),
		Entry("an object for a duration", `{"name":"web","hosts":["biz"],"deploy":{"soak":{}}}`,
			`services[0].deploy.soak: expected a duration such as 10s, got an object`),
		Entry("a duration of zero", `{"name":"web","hosts":["biz"],"deploy":{"soak":0}}`,
			`services[0].deploy.soak: "0" is not above zero; leave it out for the default`),
		Entry("a duration without end", `{"name":"web","hosts":["biz"],"deploy":{"soak":1e300,"drain":"10 s"}}`,
			`services[0].deploy.soak: "1e300" is not a duration; write 10s, 500ms, 1h30m or a number of seconds`,
			`services[0].deploy.drain: "10 s" is not a duration; write 10s, 500ms, 1h30m or a number of seconds`),
		Entry("an open quote", `{"name":"web","hosts":["biz"],"exec":{"command":"serve 'x"}}`,
			`services[0].exec.command: a single quote is not closed: "serve 'x"`),
		Entry("a time that is none", `{"name":"web","hosts":["biz"],"hold":{"until":"tomorrow"}}`,
			`services[0].hold.until: "tomorrow" is not a time; write it as 2026-11-23T10:00:00Z`),
		Entry("a key with a newline", `{"name":"web","hosts":["biz"],"a\nb":1}`,
			`services[0]."a\nb": unknown field`),
	)
})
