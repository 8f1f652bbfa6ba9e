package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/santhosh-tekuri/jsonschema/v6"

	v1 "deployer/api/v1"
)

func TestSchemagen(t *testing.T) {
	RegisterFailHandler(Fail)
	// Comments are found by their path below the module's root.
	if err := os.Chdir(filepath.Join("..", "..")); err != nil {
		t.Fatal(err)
	}
	RunSpecs(t, "schemagen")
}

// compile gives the schema as a validator that we did not write.
func compile() *jsonschema.Schema {
	GinkgoHelper()
	text, err := generate("api/v1")
	Expect(err).NotTo(HaveOccurred())
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	Expect(err).NotTo(HaveOccurred())
	compiler := jsonschema.NewCompiler()
	Expect(compiler.AddResource("manifest.schema.json", document)).To(Succeed())
	schema, err := compiler.Compile("manifest.schema.json")
	Expect(err).NotTo(HaveOccurred())
	return schema
}

// with gives a manifest of one good service into which fields are merged.
func with(fields string) string {
	service := map[string]any{"name": "web", "hosts": []any{"biz"}}
	Expect(json.Unmarshal([]byte(fields), &service)).To(Succeed(), fields)
	text, err := json.Marshal(map[string]any{"version": 1, "services": []any{service}})
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// opinions gives what the schema and what Decode say about a document.
func opinions(document string) (schema, decode error) {
	GinkgoHelper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	Expect(err).NotTo(HaveOccurred(), document)
	_, decode = v1.Decode([]byte(document))
	return compile().Validate(value), decode
}

var _ = Describe("the schema", func() {
	DescribeTable("accepts what Decode accepts",
		func(document string) {
			schema, decode := opinions(document)
			Expect(decode).NotTo(HaveOccurred(), document)
			Expect(schema).NotTo(HaveOccurred(), document)
		},
		Entry("the bare document of the older system", `{"version":1,"services":[]}`),
		Entry("the object of the store", `{"signatures":[],"manifest":{"version":1,"lineage":"a","generation":3,"services":[],"removed":[{"name":"old"}]}}`),
		Entry("the service of DESIGN.md", with(`{"artifact":{"storePath":"/nix/store/placeholder"},
			"exec":{"command":null,"user":"root","group":"root"},"env":{"PORT":"8080","AREA":"Live"},
			"envFile":"/var/lib/biz-secrets/web.env","http":{"domain":"myservice.example.com","path":"/","internalPort":8080}}`)),
		Entry("a command as a string", with(`{"exec":{"command":"bin/web --listen 'a b'"}}`)),
		Entry("a command as a list", with(`{"exec":{"command":["bin/web","--listen","a b"]}}`)),
		Entry("a store path", with(`{"artifact":{"type":"nix-closure","storePath":"/nix/store/0c3bkm1v5l2m2i9n2jxk8z2ndmyqx6kz-web-1.0"}}`)),
		Entry("null wherever something may be left out", with(`{"artifact":null,"exec":{"command":null,"args":null,"user":null},"http":null,
			"health":null,"deploy":{"strategy":null,"soak":null},"hardening":{"profile":null,"protectHome":null,"allow":null},"hold":null,"protect":null}`)),
		Entry("durations in every form", with(`{"deploy":{"soak":"1h30m","drain":2.5},"health":{"interval":"0.5","timeout":"1.5e0"},"http":{"domain":"a.b","internalPort":8080},"systemd":{"restartSec":"100ms"}}`)),
		Entry("toggles in every form", with(`{"exec":{"user":"web"},"hardening":{"protectSystem":true,"protectHome":"read-only"}}`)),
		Entry("odd but exact host names", with(`{"hosts":["biz-1","3com","10.0.0.example"],"http":{"domain":"a.1b.c-d","aliases":["1-a"],"internalPort":1}}`)),
		Entry("limits", with(`{"resources":{"memoryMax":"512M","cpuQuota":"150%","tasksMax":64}}`)),
		Entry("every allow word", with(fmt.Sprintf(`{"hardening":{"allow":["%s"]}}`, strings.Join(allowed(), `","`)))),
		Entry("a hold", with(`{"hold":{"owner":"me@laptop","until":"2026-11-23T10:00:00Z"}}`)),
	)

	DescribeTable("refuses what Decode refuses",
		func(document string) {
			schema, decode := opinions(document)
			Expect(decode).To(HaveOccurred(), document)
			Expect(schema).To(HaveOccurred(), document)
		},
		Entry("another version", `{"version":2,"services":[]}`),
		Entry("no services", `{"version":1}`),
		Entry("an unknown field", with(`{"colour":"red"}`)),
		Entry("a field in the wrong case", with(`{"envfile":"/var/lib/biz-secrets/web.env"}`)),
		Entry("an unknown field beside the envelope's", `{"manifest":{"version":1,"services":[]},"services":[]}`),
		Entry("a bad name", with(`{"name":"Web"}`)),
		Entry("a name that is too long", with(`{"name":"`+strings.Repeat("a", 41)+`"}`)),
		Entry("no hosts", with(`{"hosts":[]}`)),
		Entry("an address as a host", with(`{"hosts":["10.0.0.1"]}`)),
		Entry("a path outside of the store", with(`{"artifact":{"storePath":"/usr/bin/web"}}`)),
		Entry("a hash with letters that Nix does not use", with(`{"artifact":{"storePath":"/nix/store/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-web"}}`)),
		Entry("a command that is a number", with(`{"exec":{"command":1}}`)),
		Entry("a command that is an object", with(`{"exec":{"command":{}}}`)),
		Entry("a number in env", with(`{"env":{"PORT":8080}}`)),
		Entry("null in env", with(`{"env":{"PORT":null}}`)),
		Entry("null in a list", with(`{"hosts":["biz",null]}`)),
		Entry("a domain in upper case", with(`{"http":{"domain":"Example.com","internalPort":8080}}`)),
		Entry("no port", with(`{"http":{"domain":"example.com"}}`)),
		Entry("a port out of range", with(`{"http":{"domain":"example.com","internalPort":70000}}`)),
		Entry("Caddy's port", with(`{"http":{"domain":"example.com","internalPort":443}}`)),
		Entry("a port that is a string", with(`{"http":{"domain":"example.com","internalPort":"8080"}}`)),
		Entry("an unknown strategy", with(`{"deploy":{"strategy":"canary"}}`)),
		Entry("a duration without a unit", with(`{"deploy":{"soak":"10 seconds"}}`)),
		Entry("a duration of zero", with(`{"deploy":{"soak":0}}`)),
		Entry("an unknown profile", with(`{"hardening":{"profile":"paranoid"}}`)),
		Entry("an unknown allow word", with(`{"hardening":{"allow":["everything"]}}`)),
		Entry("an unknown restart", with(`{"systemd":{"restart":"sometimes"}}`)),
		Entry("memory with a unit of its own", with(`{"resources":{"memoryMax":"512MB"}}`)),
		Entry("a quota without its sign", with(`{"resources":{"cpuQuota":"150"}}`)),
	)

	It("explains every field of a service with the comment of its Go field", func() {
		text, err := generate("api/v1")
		Expect(err).NotTo(HaveOccurred())
		var schema struct {
			Defs map[string]struct {
				Properties map[string]struct{ Description string }
			} `json:"$defs"`
		}
		Expect(json.Unmarshal(text, &schema)).To(Succeed())
		Expect(schema.Defs["Service"].Properties).NotTo(BeEmpty())
		for name, property := range schema.Defs["Service"].Properties {
			Expect(property.Description).NotTo(BeEmpty(), name)
		}
		Expect(string(text)).NotTo(ContainSubstring(`\u003c`))
	})

	It("is the same every time", func() {
		first, err := generate("api/v1")
		Expect(err).NotTo(HaveOccurred())
		second, err := generate("api/v1")
		Expect(err).NotTo(HaveOccurred())
		Expect(second).To(Equal(first))
	})

	It("is an error in a place without comments, not a schema without descriptions", func() {
		_, err := generate(GinkgoT().TempDir())
		Expect(err).To(HaveOccurred())
	})
})

func allowed() []string {
	var words []string
	for _, a := range v1.AllowWords() {
		words = append(words, a.Word)
	}
	return words
}
