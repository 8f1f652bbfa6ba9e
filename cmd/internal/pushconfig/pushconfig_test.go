package pushconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/pushconfig"
)

func TestPushConfig(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "cmd/internal/pushconfig")
}

var _ = Describe("push.yaml", func() {
	It("is read as the sample has it", func() {
		data, err := os.ReadFile("../../../config/samples/podcasts.push.yaml")
		Expect(err).NotTo(HaveOccurred())
		c, err := pushconfig.Parse(data)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Build).To(Equal([]string{"bild", "{target}"}))
		Expect(c.Services).To(Equal(map[string]pushconfig.Recipe{
			"podcastitlater-web":    {Target: "Biz/PodcastItLater/Web.py"},
			"podcastitlater-worker": {Target: "Biz/PodcastItLater/Worker.py"},
			"api":                   {Flake: ".#api"},
			"blog":                  {File: "./default.nix", Attribute: "blog"},
		}))
		Expect(c.Of("Biz/PodcastItLater/Web.py")).To(Equal([]string{"podcastitlater-web"}))
		Expect(c.Of(".#api")).To(Equal([]string{"api"}))
		Expect(c.Of("")).To(BeEmpty())
	})

	It("may write the builder as one line, which no shell reads", func() {
		c, err := pushconfig.Parse([]byte(`build: "bild --name 'a b' {target}"`))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Build).To(Equal([]string{"bild", "--name", "a b", "{target}"}))
	})

	DescribeTable("names field, value and remedy of each mistake, as input that is not valid",
		func(text string, says ...string) {
			dir := GinkgoT().TempDir()
			Expect(os.WriteFile(filepath.Join(dir, pushconfig.Name), []byte(text), 0o600)).To(Succeed())
			_, err := pushconfig.Find(dir)
			Expect(err).To(HaveOccurred())
			Expect(err.Error()).To(HavePrefix(filepath.Join(dir, "push.yaml") + ": "))
			for _, s := range says {
				Expect(err.Error()).To(ContainSubstring(s))
			}
		},
		Entry("a field that is none", "biuld: [x]", "biuld: unknown field; did you mean build?"),
		Entry("one in a service", "services: {web: {targte: x}}", "services.web.targte: unknown field; did you mean target?"),
		Entry("wrong case", "Build: [x, '{target}']", "Build: unknown field; did you mean build?"),
		Entry("written twice", "build: [a, '{target}']\nbuild: [b, '{target}']", "build"),
		Entry("no placeholder", "build: [bild, target]", `build: no argument has {target}`, `["bild", "{target}"]`),
		Entry("no program", "build: []", "build: names no program"),
		Entry("a builder that is a number", "build: 7", `build: expected a command, such as ["bild", "{target}"], got 7`),
		Entry("a word that is a number", "build: [bild, 7, '{target}']", "build[1]: expected a text, got 7; put it in quotes"),
		Entry("quotes that do not end", `build: "bild '{target}"`, "build: "),
		Entry("a target without a builder", "services: {web: {target: Biz/Web.py}}", "services.web.target: needs build"),
		Entry("nothing to build", "services: {web: {}}", "services.web: says 0 of target, flake and file; say one"),
		Entry("two things to build", "services: {web: {flake: .#web, file: web.nix}}", "services.web: says 2 of target, flake and file"),
		Entry("an attribute of a flake", "services: {web: {flake: .#web, attribute: web}}", "services.web.attribute: goes with file"),
		Entry("an empty target", "build: [b, '{target}']\nservices: {web: {target: ''}}", "services.web.target: must be one line, and not empty"),
		Entry("a service that is a text", "services: {web: .#web}", `services.web: expected fields with values, got the text ".#web"`),
		Entry("a name that is none", "services: {Web: {flake: .#web}}", "services.Web: is not the name of a service"),
		Entry("services in a list", "services: [web]", "services: expected fields with values, got a list"),
		Entry("nothing at all", "{}", "it says neither build nor services"),
		Entry("two mistakes at once", "a: 1\nservices: {web: {}}", "2 problems", "a: unknown field", "services.web: says 0"),
		Entry("no YAML", "build: [", "not valid YAML"),
		Entry("a list", "[1]", "expected fields with values, got a list"),
	)

	It("has an exit code of its own: 2", func() {
		_, err := pushconfig.Parse([]byte("biuld: x"))
		Expect(cli.CodeOf(err)).To(Equal(cli.ExitUsage))
		_, err = pushconfig.Parse([]byte("build: ["))
		Expect(cli.CodeOf(err)).To(Equal(cli.ExitUsage))
	})

	It("is the nearest one above, and may be missing", func() {
		top := GinkgoT().TempDir()
		below := filepath.Join(top, "Biz", "Web")
		Expect(os.MkdirAll(below, 0o755)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(top, pushconfig.Name), []byte("build: [top, '{target}']"), 0o600)).To(Succeed())
		c, err := pushconfig.Find(below)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Dir()).To(Equal(top))
		Expect(c.Relative("App.py", below)).To(Equal("Biz/Web/App.py"))
		Expect(c.Relative("../Other.py", below)).To(Equal("Biz/Other.py"))
		Expect(c.Relative("../../../outside", below)).To(Equal("../../../outside"))
		Expect(os.WriteFile(filepath.Join(top, "Biz", pushconfig.Name), []byte("build: [biz, '{target}']"), 0o600)).To(Succeed())
		c, err = pushconfig.Find(below)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Build[0]).To(Equal("biz"))

		c, err = pushconfig.Find("/")
		Expect(err).NotTo(HaveOccurred())
		Expect(c).To(BeNil())
	})

	It("that cannot be read is no reason to take another", func() {
		dir := GinkgoT().TempDir()
		Expect(os.Mkdir(filepath.Join(dir, pushconfig.Name), 0o755)).To(Succeed())
		_, err := pushconfig.Find(dir)
		Expect(err).To(MatchError(ContainSubstring(strings.Join([]string{dir, pushconfig.Name}, "/"))))
	})
})
