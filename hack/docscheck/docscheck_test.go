package docscheck_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/hack/docscheck"
)

func TestDocscheck(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "docscheck")
}

// parsers are the project's own: what an example is checked with is what reads it.
func parsers() docscheck.Parsers {
	return docscheck.Parsers{
		"manifest": func(data []byte) error { _, err := v1.Decode(data); return err },
		"service":  func(data []byte) error { _, err := v1.DecodeService(data); return err },
		// Go lets only cmd import what reads them: cmd/internal/hostconfig has their test.
		"config": func([]byte) error { return nil },
		"push":   func([]byte) error { return nil },
	}
}

var _ = Describe("this repository", func() {
	tree := os.DirFS("../..")

	It("has documents whose examples all parse", func() {
		problems, _, err := docscheck.Documents(tree, parsers())
		Expect(err).NotTo(HaveOccurred())
		Expect(lines(problems)).To(BeEmpty())
	})

	It("has samples that all parse", func() {
		problems, looked, err := docscheck.Samples(tree, "config/samples", parsers())
		Expect(err).NotTo(HaveOccurred())
		Expect(lines(problems)).To(BeEmpty())
		Expect(looked).To(BeNumerically(">", 0), "config/samples holds none")
	})
})

// lines shows problems as an editor understands them.
func lines(problems []docscheck.Problem) string {
	var text strings.Builder
	for _, p := range problems {
		text.WriteString(p.String() + "\n")
	}
	return text.String()
}

// words is a parser for the specs below: it knows one text.
func words(data []byte) error {
	if string(data) != "{\"good\": 1}\n" {
		return errors.New("not good")
	}
	return nil
}

var _ = DescribeTable("a document", func(text string, looked int, problems ...string) {
	tree := fstest.MapFS{
		"README.md":         {Data: []byte(text)},
		"README.txt":        {Data: []byte(text)},
		".hidden/README.md": {Data: []byte(text)},
	}
	found, n, err := docscheck.Documents(tree, docscheck.Parsers{"word": words, "thing": words})
	Expect(err).NotTo(HaveOccurred())
	Expect(n).To(Equal(looked))
	Expect(found).To(HaveLen(len(problems)))
	for i := range problems {
		Expect(found[i].String()).To(Equal(problems[i]))
	}
},
	Entry("may hold examples that parse", "A word:\n\n```json word\n{\"good\": 1}\n```\n", 1),
	Entry("may hold plain JSON and YAML", "```json\n{\"a\": [1]}\n```\n```yaml\na: 1\n```\n", 2),
	Entry("may hold other languages, which are not looked at", "```sh service\nexit 1\n```\n```\n{\n```\n", 0),
	Entry("is told the line of an example that does not parse", "\n```json word\n{\"bad\": 1}\n```\n", 1,
		"README.md:2: the word does not parse: not good"),
	Entry("is told every bad example", "```json word\n{}\n```\n```json\n{\n```\n", 2,
		"README.md:1: the word does not parse: not good",
		"README.md:4: it is not JSON: unexpected end of JSON input"),
	Entry("may not show JSON with a comma too many", "```json\n{\"a\": 1,}\n```\n", 1,
		"README.md:1: it is not JSON: invalid character '}' looking for beginning of object key string"),
	Entry("may not name a kind that nothing parses", "```yaml sentence\na: 1\n```\n", 1,
		"README.md:1: nothing parses a yaml of kind \"sentence\"; write one of thing, word, or leave the kind out"),
	Entry("may show fences inside longer fences", "````\n```json\n{\n```\n````\n", 0),
	Entry("may hold examples in a list", "- so:\n  ```json\n  {\n  ```\n", 1,
		"README.md:2: it is not JSON: unexpected end of JSON input"),
)

var _ = Describe("a sample", func() {
	check := func(name, text string) []docscheck.Problem {
		tree := fstest.MapFS{"config/samples/" + name: {Data: []byte(text)}}
		problems, looked, err := docscheck.Samples(tree, "config/samples", docscheck.Parsers{"word": words, "thing": words})
		Expect(err).NotTo(HaveOccurred())
		Expect(looked).To(Equal(1))
		return problems
	}

	It("says by its name what it is", func() {
		for _, name := range []string{"word.json", "my-word.json", "a-thing.word.json", "sub/good.word.json"} {
			Expect(check(name, "{\"good\": 1}\n")).To(BeEmpty(), name)
		}
	})

	It("has to parse", func() {
		Expect(check("word.json", "{}")).To(ConsistOf(HaveField("Err", MatchError("the word does not parse: not good"))))
	})

	It("has to say what it is", func() {
		Expect(check("web.json", "{}")).To(ConsistOf(HaveField("Err", MatchError(ContainSubstring("its name does not say what it is")))))
	})
})
