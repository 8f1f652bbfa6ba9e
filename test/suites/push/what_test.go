package push_test

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/closure"
	"deployer/test/suites/stage"
)

// project is where the person's sources are.
const project = "/root/project"

// asNix lets the person's Nix build without its daemon, without a network and without a sandbox.
const asNix = "export NIX_REMOTE=local NIX_CONFIG='sandbox = false\nsubstituters ='\n"

const flake = `{ outputs = { self }: { packages.SYSTEM.flaky = derivation {
  name = "flaky-1"; system = "SYSTEM"; builder = "/bin/sh"; args = [ "-c" "echo flaky >$out" ]; }; }; }`

const nixFile = `{
  file = derivation { name = "file-1"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo file >$out" ]; };
  broken = derivation { name = "broken-1"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo no such module: Text.Lucid >&2; exit 3" ]; };
}`

// bild stands for a project's own builder: it talks much, and names the result in its last line.
const bild = `#!/bin/sh
echo "bild: analysing $1" >&2
echo "[1/2] $1"
case $1 in
*Broken*) echo "Biz/Broken.py:7: SyntaxError" >&2; exit 1;;
*Quiet*) exit 0;;
esac
printf 'derivation { name = "target-1"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo %s >$out" ]; }' "$1" >/tmp/target.nix
nix-build --no-out-link /tmp/target.nix
`

const pushYAML = `build: [./bild, "{target}"]
services:
  target: {target: Biz/Podcast/Web.py}
  flaky: {flake: .#flaky}
  file: {file: ./default.nix, attribute: file}
`

var _ = Describe("deploy-push", Ordered, func() {
	names := []string{"target", "flaky", "file"}
	BeforeAll(func(ctx SpecContext) {
		system := strings.TrimSpace(s.Shell(ctx, s.Laptop, "uname -m")) + "-linux"
		for name, text := range map[string]string{
			"flake.nix": strings.ReplaceAll(flake, "SYSTEM", system), "default.nix": nixFile, "bild": bild,
			"push.yaml": pushYAML, "Biz/Podcast/Web.py": "", "Biz/Broken.py": "", "Biz/Quiet.py": "",
		} {
			Expect(s.Laptop.Write(ctx, project+"/"+name, []byte(text), 0o755)).To(Succeed())
		}
		for _, name := range names {
			s.AddForNow(ctx, elsewhere(name))
		}
	})
	// in runs a command in the project, or below it.
	in := func(ctx context.Context, below, command string) stage.Result {
		GinkgoHelper()
		return s.Run(ctx, s.Laptop, "bash", "-c", asNix+"cd "+project+"/"+below+" && "+command)
	}
	pushes := func(ctx context.Context, below, command, service, suffix string) {
		GinkgoHelper()
		r := in(ctx, below, command)
		Expect(r.Code).To(Equal(0), r.String())
		Expect(r.Err).To(BeEmpty(), "what goes well says nothing on stderr: %s", r)
		Expect(r.Out).To(And(MatchRegexp(`built /nix/store/\S+`+suffix+` in `), ContainSubstring("wrote generation")))
		Expect(named(ctx, service)).To(HaveSuffix(suffix))
		expectPullable(ctx, named(ctx, service))
	}
	// refuses expects one sentence at the end of stderr, a manifest as it was and nothing sent.
	refuses := func(ctx context.Context, below, command string, code int, says ...string) stage.Result {
		GinkgoHelper()
		before := keys(ctx)
		r := in(ctx, below, command)
		Expect(r.Code).To(Equal(code), r.String())
		lines := strings.Split(strings.TrimSuffix(r.Err, "\n"), "\n")
		for _, text := range says {
			Expect(lines[len(lines)-1]).To(And(HavePrefix("deploy-push: "), ContainSubstring(text)))
		}
		Expect(keys(ctx)).To(Equal(before))
		return r
	}

	It("builds a target with the project's own builder, by the target alone, from anywhere below push.yaml", func(ctx SpecContext) {
		pushes(ctx, "", "deploy-push Biz/Podcast/Web.py", "target", "-target-1")
		r := in(ctx, "Biz/Podcast", "deploy-push Web.py")
		Expect(r.Code).To(Equal(0), r.String())
		Expect(r.Out).To(ContainSubstring("target is this release already"))
	})

	It("builds what push.yaml names for a service: a flake, a Nix file", func(ctx SpecContext) {
		pushes(ctx, "", "deploy-push flaky", "flaky", "-flaky-1")
		pushes(ctx, "Biz", "deploy-push file", "file", "-file-1")
	})

	It("builds what stands in the command", func(ctx SpecContext) {
		Expect(in(ctx, "", "deploy-push target .#flaky").Code).To(Equal(0))
		Expect(named(ctx, "target")).To(HaveSuffix("-flaky-1"))
		Expect(in(ctx, "", "deploy-push target ./default.nix -A file").Code).To(Equal(0))
		Expect(named(ctx, "target")).To(HaveSuffix("-file-1"))
		Expect(in(ctx, "Biz", "deploy-push target Quiet.py -v 2>&1 | grep -q 'bild: analysing Biz/Quiet.py'").Code).To(Equal(0))
	})

	It("shows the builder's last lines when it fails, and sends nothing", func(ctx SpecContext) {
		r := refuses(ctx, "", "deploy-push target Biz/Broken.py", 1, "building Biz/Broken.py", "./bild Biz/Broken.py", "exit status 1")
		Expect(r.Err).To(ContainSubstring("| Biz/Broken.py:7: SyntaxError"))
		r = refuses(ctx, "", "deploy-push target ./default.nix -A broken", 1, "nix-build", "exit status")
		Expect(r.Err).To(ContainSubstring("no such module: Text.Lucid"))
		refuses(ctx, "", "deploy-push target Biz/Quiet.py", 1, "went well, but no line of its standard output is a store path")
		refuses(ctx, "", "deploy-push target .#gone", 1, "building .#gone")
	})

	It("says what is wrong before it builds anything", func(ctx SpecContext) {
		touch := func(command string) string { return command + "; code=$?; test ! -e /tmp/built && exit $code" }
		Expect(s.Laptop.Write(ctx, project+"/Biz/push.yaml", []byte("build: [touch, /tmp/built, '{target}']\nservices: {target: {target: x}}\n"), 0o644)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { s.Shell(ctx, s.Laptop, "rm "+project+"/Biz/push.yaml") })
		refuses(ctx, "Biz", touch("deploy-push tarqet x"), 2, "the manifest has no service tarqet", "did you mean target?")
		refuses(ctx, "Biz", touch("deploy-push tarqet"), 2, "names no service or target tarqet", "did you mean target?")
		refuses(ctx, "Biz", touch("deploy-push target ../default.nix"), 2, "../default.nix may be a Nix file", "say which with --as")
		refuses(ctx, "Biz", touch("deploy-push target --key /nowhere"), 1, "the signing key /nowhere cannot be read", "deploy-manifest keygen")
		refuses(ctx, "Biz", touch("deploy-push target --store 's3://deployer?endpoint=s3:7071&profile=deployer&scheme=http'"), 1, "nothing listens at")
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", "target", `hold={"forever":true,"owner":"ann","reason":"load test"}`)
		refuses(ctx, "Biz", touch("deploy-push target"), 1, "target is held by ann (load test)", "--despite-hold")
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", "target", "hold=")
		refuses(ctx, "", "deploy-push target /nix/store/00000000000000000000000000000000-x", 1, "is not in this machine's nix store: build it first")
		refuses(ctx, "", "sed -i s/attribute/attr/ push.yaml; deploy-push target; code=$?; sed -i s/attr/attribute/ push.yaml; exit $code", 2,
			project+"/push.yaml: services.file.attr: unknown field; there are target, flake, file, attribute")
		refuses(ctx, "", "chmod -x bild; mv bild bild.away; deploy-push target; code=$?; mv bild.away bild; chmod +x bild; exit $code", 1,
			"there is no program ./bild here")
	})

	It("pushes for the time after a hold when it is asked to", func(ctx SpecContext) {
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", "target", `hold={"forever":true}`)
		r := in(ctx, "", "deploy-push target --despite-hold")
		Expect(r.Code).To(Equal(0), r.String())
		Expect(named(ctx, "target")).To(HaveSuffix("-target-1"))
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", "target", "hold=")
	})

	It("tries a push without doing it", func(ctx SpecContext) {
		path := s.Build(ctx, s.Laptop, closure.Spec{Name: "tried", Release: "one"})
		before := keys(ctx)
		r := in(ctx, "", "deploy-push file "+path+" --dry-run")
		Expect(r.Code).To(Equal(0), r.String())
		Expect(r.Out).To(And(
			MatchRegexp(`upload: 3 of 3 paths, \d\.\d MiB before compression, to s3://deployer`),
			MatchRegexp(`(?m)^ +\d\.\d MiB  `+path+`$`),
			MatchRegexp(`(?s)manifest: generation \d+ → \d+, for elsewhere\n  file\n    ~ artifact.storePath: \S+-file-1 → `+path),
			ContainSubstring("unit: the text of file.service stays the same"),
			ContainSubstring("dry run: nothing was uploaded or written")), r.String())
		Expect(keys(ctx)).To(Equal(before))

		s.AddForNow(ctx, elsewhere("fresh"))
		before = keys(ctx)
		r = in(ctx, "", "deploy-push fresh .#flaky --dry-run -o json")
		Expect(r.Code).To(Equal(0), r.String())
		Expect(keys(ctx)).To(Equal(before))
		var trial struct {
			Upload   []any
			Changes  []any
			UnitDiff string
		}
		Expect(json.Unmarshal([]byte(r.Out), &trial)).To(Succeed(), r.Out)
		Expect(trial.Upload).To(BeEmpty(), "an earlier spec pushed it")
		Expect(trial.Changes).To(HaveLen(1))
		Expect(trial.UnitDiff).To(And(ContainSubstring("+++ fresh.service (then)"), ContainSubstring("+[Service]")))
	})

	It("prints what it did as data", func(ctx SpecContext) {
		path := s.Build(ctx, s.Laptop, closure.Spec{Name: "tried", Release: "two"})
		r := in(ctx, "", "deploy-push file "+path+" -o json --commit abc123")
		Expect(r.Code).To(Equal(0), r.String())
		Expect(r.Err).To(BeEmpty())
		var done struct {
			Service, StorePath, Commit, Store, Archive string
			Hosts                                      []string
			Generation, Uploaded                       int64
			Written                                    bool
		}
		Expect(json.Unmarshal([]byte(r.Out), &done)).To(Succeed(), r.Out)
		Expect(done.Service + done.StorePath + done.Commit).To(Equal("file" + path + "abc123"))
		Expect(done.Generation).To(Equal(s.Manifest(ctx).Generation))
		Expect(done.Written).To(BeTrue())
		Expect(done.Archive).To(HavePrefix("manifest-"))
		Expect(done.Uploaded).To(BeNumerically(">", 0))
	})

	It("is pulled by a stock Nix in both ways that it has", func(ctx SpecContext) {
		path := named(ctx, "file")
		expectPullable(ctx, path)
		s.Shell(ctx, s.Laptop, `rm -rf /var/tmp/empty && mkdir /var/tmp/empty && NIX_REMOTE='local?root=/var/tmp/empty' nix-store --realise `+path+` \
			--option substituters `+cacheURL+` --option require-sigs true --option trusted-public-keys '`+s.Key+`' --option sandbox false && \
			NIX_REMOTE='local?root=/var/tmp/empty' nix-store --verify --check-contents`)
	})
})
