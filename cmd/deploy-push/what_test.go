package main

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/pushconfig"
)

const builders = `
build: [bild, --, "{target}"]
services:
  podcast-web: {target: Biz/Podcast/Web.py}
  podcast-twin: {target: Biz/Podcast/Twin.py}
  other-twin: {target: Biz/Podcast/Twin.py}
  api: {flake: .#api}
  worker: {file: ./worker.nix, attribute: server}
  odd: {target: odd.nix}
`

var _ = Describe("What is pushed", func() {
	const release = "/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-web-1.2"
	var top string

	// file makes a file below the directory of push.yaml.
	file := func(name, text string) {
		GinkgoHelper()
		path := filepath.Join(top, name)
		Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		Expect(os.WriteFile(path, []byte(text), 0o644)).To(Succeed())
	}
	BeforeEach(func() { top = GinkgoT().TempDir() })

	choose := func(below string, c chooser, args ...string) (subject, error) {
		GinkgoHelper()
		c.dir = filepath.Join(top, below)
		var err error
		c.config, err = pushconfig.Find(c.dir)
		Expect(err).NotTo(HaveOccurred())
		return c.choose(args)
	}
	// builds expects a service and a command in a directory below the top.
	builds := func(s subject, err error, service, dir, command string) {
		GinkgoHelper()
		Expect(err).NotTo(HaveOccurred())
		Expect(s.service).To(Equal(service))
		Expect(s.path).To(BeEmpty())
		Expect(s.build.Dir).To(Equal(filepath.Join(top, dir)))
		Expect(strings.Join(s.build.Command, " ")).To(Equal(command))
	}
	refuses := func(err error, says ...string) {
		GinkgoHelper()
		Expect(cli.CodeOf(err)).To(Equal(cli.ExitUsage))
		for _, text := range says {
			Expect(err).To(MatchError(ContainSubstring(text)))
		}
	}
	const nixBuild = "nix --extra-experimental-features nix-command flakes build --no-link --json -- "

	Context("without a push.yaml", func() {
		It("is a store path, a flake or a Nix file", func() {
			file("web.nix", "{}")
			file("dir/default.nix", "{}")
			file("flaky/flake.nix", "{}")
			s, err := choose("", chooser{}, "web", release)
			Expect(err).NotTo(HaveOccurred())
			Expect(s).To(Equal(subject{service: "web", path: release}))
			s, err = choose("", chooser{}, "web", ".#web")
			builds(s, err, "web", "", nixBuild+".#web")
			s, err = choose("", chooser{}, "web", "git+ssh://host/repo")
			builds(s, err, "web", "", nixBuild+"git+ssh://host/repo")
			s, err = choose("", chooser{}, "web", "./flaky")
			builds(s, err, "web", "", nixBuild+"./flaky")
			s, err = choose("", chooser{attribute: "server"}, "web", "web.nix")
			builds(s, err, "web", "", "nix-build --no-out-link web.nix -A server")
			s, err = choose("", chooser{}, "web", "./dir")
			builds(s, err, "web", "", "nix-build --no-out-link ./dir")
			s, err = choose("dir", chooser{attribute: "server"}, "web")
			builds(s, err, "web", "dir", "nix-build --no-out-link default.nix -A server")
		})

		It("has to be said", func() {
			_, err := choose("", chooser{}, "web")
			refuses(err, "deploy-push web STORE_PATH", "push.yaml")
			_, err = choose("", chooser{}, release)
			refuses(err, "say which service it is for: `deploy-push SERVICE "+release)
			_, err = choose("", chooser{}, release, "web")
			refuses(err, release+" stands where the service belongs")
		})

		It("is refused when it is nothing", func() {
			_, err := choose("", chooser{}, "web", "Biz/Web.py")
			refuses(err, `"Biz/Web.py" is not a store path`, "no push.yaml here or above names a builder")
			_, err = choose("", chooser{}, "web", "gone.nix")
			refuses(err, "there is no Nix file gone.nix here")
			_, err = choose("", chooser{as: aTarget}, "web", "Biz/Web.py")
			refuses(err, "there is no builder for target Biz/Web.py", `build: ["bild", "{target}"]`)
			_, err = choose("", chooser{attribute: "x", as: aFlake}, "web", ".#web")
			refuses(err, "-A goes with a Nix file")
		})

		It("is asked about when a directory is two things", func() {
			file("both/flake.nix", "{}")
			file("both/default.nix", "{}")
			_, err := choose("", chooser{}, "web", "./both")
			refuses(err, "./both may be a flake (--as flake) or a Nix file (--as file): say which with --as")
			s, err := choose("", chooser{as: aFile}, "web", "./both")
			builds(s, err, "web", "", "nix-build --no-out-link ./both")
		})
	})

	Context("with a push.yaml", func() {
		BeforeEach(func() {
			file("push.yaml", builders)
			file("Biz/Podcast/Web.py", "")
			file("Biz/Other.py", "")
			file("odd.nix", "{}")
			file("plain.nix", "{}")
		})

		It("is what push.yaml says for the service, built where push.yaml is", func() {
			for _, below := range []string{"", "Biz/Podcast"} {
				s, err := choose(below, chooser{}, "podcast-web")
				builds(s, err, "podcast-web", "", "bild -- Biz/Podcast/Web.py")
				s, err = choose(below, chooser{}, "api")
				builds(s, err, "api", "", nixBuild+".#api")
				s, err = choose(below, chooser{}, "worker")
				builds(s, err, "worker", "", "nix-build --no-out-link ./worker.nix -A server")
			}
		})

		It("may be a target alone, as push.sh had it, also as it is written further below", func() {
			s, err := choose("", chooser{}, "Biz/Podcast/Web.py")
			builds(s, err, "podcast-web", "", "bild -- Biz/Podcast/Web.py")
			s, err = choose("Biz/Podcast", chooser{}, "Web.py")
			builds(s, err, "podcast-web", "", "bild -- Biz/Podcast/Web.py")
			s, err = choose("Biz", chooser{}, filepath.Join(top, "Biz/Podcast/Web.py"))
			builds(s, err, "podcast-web", "", "bild -- Biz/Podcast/Web.py")
		})

		It("is asked about when a target is for two services, and asked for when it is for none", func() {
			_, err := choose("", chooser{}, "Biz/Podcast/Twin.py")
			refuses(err, "Biz/Podcast/Twin.py is for other-twin and podcast-twin: say which, as in `deploy-push other-twin`")
			_, err = choose("", chooser{}, "Biz/Podcast/Wbe.py")
			refuses(err, "names no service or target Biz/Podcast/Wbe.py", "did you mean Biz/Podcast/Web.py?")
			_, err = choose("", chooser{}, "podcast-wbe")
			refuses(err, "did you mean podcast-web?")
			_, err = choose("", chooser{}, release)
			refuses(err, "say which service")
		})

		It("may be another target than the service's own", func() {
			s, err := choose("Biz", chooser{}, "podcast-web", "Other.py")
			builds(s, err, "podcast-web", "", "bild -- Biz/Other.py")
			s, err = choose("Biz", chooser{}, "podcast-web", "some:name")
			builds(s, err, "podcast-web", "", "bild -- some:name")
		})

		It("is still a path or a flake when it looks like one", func() {
			s, err := choose("", chooser{}, "podcast-web", release)
			Expect(err).NotTo(HaveOccurred())
			Expect(s.path).To(Equal(release))
			s, err = choose("", chooser{}, "podcast-web", ".#web")
			builds(s, err, "podcast-web", "", nixBuild+".#web")
			_, err = choose("", chooser{}, "podcast-web", "/nix/store/web")
			refuses(err, "is not a store path")
			_, err = choose("", chooser{}, "podcast-web", "")
			refuses(err, "is not a store path")
		})

		It("is asked about when it may be a Nix file or a target, unless push.yaml names it", func() {
			_, err := choose("", chooser{}, "podcast-web", "plain.nix")
			refuses(err, "plain.nix may be a Nix file (--as file) or a target of the builder (--as target)")
			s, err := choose("", chooser{as: aTarget}, "podcast-web", "plain.nix")
			builds(s, err, "podcast-web", "", "bild -- plain.nix")
			s, err = choose("", chooser{}, "podcast-web", "odd.nix")
			builds(s, err, "podcast-web", "", "bild -- odd.nix")
			s, err = choose("", chooser{attribute: "x"}, "podcast-web", "plain.nix")
			builds(s, err, "podcast-web", "", "nix-build --no-out-link plain.nix -A x")
		})
	})

	It("is shown in the help by a push.yaml that is one", func() {
		Expect(command().Long).To(ContainSubstring(sample))
		c, err := pushconfig.Parse([]byte(sample))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Services).To(HaveLen(3))
		Expect(c.Build).To(Equal([]string{"bild", "{target}"}))
	})
})
