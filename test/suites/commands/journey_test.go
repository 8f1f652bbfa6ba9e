package commands_test

import (
	"context"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"deployer/test/closure"
	"deployer/test/env"
)

// stop is where a person comes by while following the README.
type stop struct {
	// command as the README has it; a @ before it means that it is not from there.
	command string
	// with replaces the README's examples of paths and archives by real ones.
	with func(context.Context) *strings.Replacer
	// onHost runs it on biz, not on the laptop.
	onHost bool
	code   int
	says   types.GomegaMatcher
	// first prepares what the README takes for granted.
	first func(context.Context)
}

// follow means that a command goes on until it is interrupted; timeout says 124 then.
const follow = 124

var anything = Not(BeEmpty())

// journey is the README, from a first service to its removal, in an order that makes sense.
func journey() []stop {
	newest := func(ctx context.Context) *strings.Replacer {
		archive := strings.Fields(s.OK(ctx, s.Laptop, "deploy-manifest", "list"))[0]
		return strings.NewReplacer("manifest-20261216T033000Z.json", archive, "manifest-20261215T120000Z.json", archive)
	}
	built := func(name, release string) func(context.Context) *strings.Replacer {
		return func(ctx context.Context) *strings.Replacer {
			path := s.Build(ctx, s.Laptop, closure.Spec{Name: name, Release: release})
			return strings.NewReplacer("/nix/store/…-web", path, "/nix/store/…", path)
		}
	}
	return []stop{
		{command: "deploy-manifest init", code: 1, says: ContainSubstring("left as it is")},
		{command: addService(), says: And(ContainSubstring("my-new-service"), ContainSubstring("wrote generation 2"))},
		{command: "deploy-manifest add-service -f web.yaml", first: func(ctx context.Context) {
			Expect(s.Laptop.Write(ctx, "/root/web.yaml", []byte(block("yaml service", "name: web")), 0o644)).To(Succeed())
		}, says: ContainSubstring("web")},
		{command: "deploy-manifest schema", says: ContainSubstring(`"$schema"`)},
		{command: `deploy-push my-new-service "$(nix-build -A my-new-service --no-out-link)"`, first: writeDefaultNix, says: ContainSubstring("wrote generation")},
		{command: "@deploy-push web /nix/store/…", with: built("web", "one"), says: ContainSubstring("wrote generation")},
		{command: "deployerctl sync --wait", onHost: true, says: And(ContainSubstring("my-new-service: Settled, Healthy"), ContainSubstring("web: Settled, Healthy"))},
		{command: "@deploy-push my-new-service /nix/store/…", with: built("my-new-service", "two"), says: ContainSubstring("wrote generation")},
		{command: "deploy-manifest update my-new-service /nix/store/…", with: built("my-new-service", "one"), says: ContainSubstring("my-new-service")},
		{command: "sudo systemctl reload biz-deployer", onHost: true},
		{command: "sudo deployerctl sync", onHost: true, says: ContainSubstring("is in force")},
		{command: "systemctl start biz-deployer", onHost: true},
		{command: "@deployerctl sync --wait", onHost: true, says: anything},

		{command: "deployerctl status", onHost: true, says: And(ContainSubstring("my-new-service"), ContainSubstring("web"), ContainSubstring("Healthy"))},
		{command: "deployerctl status web", onHost: true, says: And(ContainSubstring("www.example.com"), ContainSubstring("upstream"), ContainSubstring("CONDITION"))},
		{command: "deployerctl status api", onHost: true, with: func(context.Context) *strings.Replacer {
			return strings.NewReplacer("api", "my-new-service") // a name of the README's sample output
		}, says: ContainSubstring("myservice.example.com")},
		{command: "@deployerctl status --watch", onHost: true, code: follow, says: ContainSubstring("Healthy")},
		{command: "deployerctl plan", onHost: true, says: ContainSubstring("nothing to do")},
		{command: "deployerctl logs web -f", onHost: true, code: follow, says: ContainSubstring("release one listening")},
		{command: "journalctl -u web -f", onHost: true, code: follow, says: ContainSubstring("release one")},
		{command: "journalctl -u biz-deployer -f", onHost: true, code: follow, says: ContainSubstring("changed the host")},
		{command: "journalctl -u caddy -f", onHost: true, code: follow, says: anything},
		{command: "systemctl status caddy", onHost: true, says: ContainSubstring("active (running)")},
		{command: "deployerctl doctor", onHost: true, code: either, says: And(ContainSubstring("caddy"), ContainSubstring("secrets"), ContainSubstring("store"))},
		{command: "deployerctl doctor /nix/store/…-web", onHost: true, with: built("web", "one"), says: And(ContainSubstring("acme-1"), ContainSubstring("3 paths"))},
		{command: "sudo deployerctl doctor --deep --repair", onHost: true, code: either, says: ContainSubstring("have the content that was registered")},
		{command: "deployerctl adopt", onHost: true, says: ContainSubstring("this host now obeys lineage")},

		{command: "deploy-manifest show", says: And(ContainSubstring(`"my-new-service"`), ContainSubstring(`"lineage"`))},
		{command: "deploy-manifest show web", says: And(ContainSubstring(`"web"`), Not(ContainSubstring("my-new-service")))},
		{command: "deployerctl why web", onHost: true, says: ContainSubstring("as wanted")},
		{command: "deployerctl history web", onHost: true, says: ContainSubstring("Settled")},
		{command: "sudo deployerctl retry web", onHost: true, code: 1, says: ContainSubstring("nothing to retry")},
		{command: "sudo deployerctl hold web --reason 'load test'", onHost: true, says: ContainSubstring("load test")},
		{command: "sudo deployerctl unhold web", onHost: true, says: ContainSubstring("web")},
		{command: "deploy-manifest hold web --reason 'load test'", says: ContainSubstring("load test")},
		{command: "deploy-manifest unhold web", says: ContainSubstring("hold")},
		{command: "deploy-manifest retry web", says: ContainSubstring("web")},
		{command: "deploy-manifest status", code: whatever, says: And(ContainSubstring("biz"), ContainSubstring("web"))},
		{command: "deploy-manifest history", says: ContainSubstring("retry")},
		{command: "deploy-manifest history web", says: ContainSubstring("root@laptop")},
		{command: "deploy-manifest edit web", with: func(context.Context) *strings.Replacer {
			return strings.NewReplacer("deploy-manifest edit", "EDITOR=true deploy-manifest edit") // a person who looks and leaves
		}, code: whatever, says: ContainSubstring("no change")},
		{command: "deploy-manifest set web deploy.strategy=replace", says: ContainSubstring("replace")},
		{command: "deploy-manifest cache gc --dry-run", code: whatever, says: anything},
		{command: "deploy-manifest set web http.domain=www.example.org env.AREA=Test", says: And(ContainSubstring("www.example.org"), ContainSubstring("AREA"))},
		{command: "deploy-manifest list", says: HavePrefix("manifest-")},
		{command: "deploy-manifest diff", says: ContainSubstring("www.example.org")},
		{command: "deploy-manifest diff manifest-20261216T033000Z.json", with: newest, says: ContainSubstring("www.example.org")},
		{command: "deploy-manifest validate -f manifest.yaml", first: writeManifest, says: anything},
		{command: "deploy-manifest apply -f manifest.yaml", says: ContainSubstring("nothing")},
		{command: "deploy-manifest rollback manifest-20261215T120000Z.json", with: newest, says: ContainSubstring("www.example.com")},
		{command: "deploy-manifest rollback --service web", code: whatever, says: ContainSubstring("web")},
		{command: "@deployerctl sync --wait", onHost: true, says: anything},
		{command: "deploy-manifest remove-service web", says: ContainSubstring("web")},
		{command: "deploy-manifest completion bash", says: ContainSubstring("__start_deploy-manifest")},
		{command: "@deployerctl sync --wait", onHost: true, says: anything},
		{command: "@deployerctl status", onHost: true, says: Not(ContainSubstring("\nweb "))},
	}
}

// whatever: what it says counts; its code depends on how far the hosts are by then.
const whatever = -2

// either: the doctor says 3 where nobody sets the clock, as in a test host.
const either = -1

// elsewhere are commands that are run in other ways.
var elsewhere = map[string]string{
	"deploy-manifest keygen acme-1": "the stage makes the key, for biz trusts it from its first boot",
}

// addService is the multi-line command of the first service.
func addService() string {
	for _, command := range readmeCommands() {
		if strings.HasPrefix(command, "deploy-manifest add-service '") {
			return command
		}
	}
	return "deploy-manifest add-service '{…}' is not in the README any more"
}

// writeDefaultNix: the README's nix-build builds the person's own project; here it is the
// test program. The secrets that the service names are written as the README says.
func writeDefaultNix(ctx context.Context) {
	GinkgoHelper()
	Expect(closure.Install(ctx, s.Laptop)).To(Succeed())
	text := `{ my-new-service = import /var/lib/deployer-closure/closure.nix {
	  name = "my-new-service"; release = "one"; program = /var/lib/deployer-closure/program; }; }`
	Expect(s.Laptop.Write(ctx, "/root/default.nix", []byte(text), 0o644)).To(Succeed())
	s.Shell(ctx, s.Laptop, asRoot+"nix-build -A my-new-service --no-out-link") // says what it builds the first time
	secrets := strings.Replace(block("bash", "sudo tee"), "ssh biz\n", "", 1)
	Expect(secrets).To(ContainSubstring("sudo tee /var/lib/biz-secrets/my-new-service.env"))
	s.Shell(ctx, s.Biz, asRoot+secrets)
}

func writeManifest(ctx context.Context) {
	GinkgoHelper()
	text := s.OK(ctx, s.Laptop, "deploy-manifest", "show", "-o", "yaml")
	Expect(s.Laptop.Write(ctx, "/root/manifest.yaml", []byte(text), 0o644)).To(Succeed())
}

// asRoot lets sudo be what it is for root, and nix-build work without a network.
const asRoot = "sudo() { \"$@\"; }\nexport NIX_REMOTE=local NIX_CONFIG='sandbox = false\nsubstituters ='\n"

var _ = Describe("The README", Ordered, func() {
	It("shows no command that the journey leaves out, and the journey none that is not shown", func() {
		shown := readmeCommands()
		Expect(shown).NotTo(BeEmpty())
		var walked []string
		for _, stop := range journey() {
			if !strings.HasPrefix(stop.command, "@") {
				walked = append(walked, stop.command)
			}
		}
		for command := range elsewhere {
			walked = append(walked, command)
		}
		without := func(all, some []string) []string {
			return slices.DeleteFunc(slices.Clone(all), func(c string) bool { return slices.Contains(some, c) })
		}
		Expect(without(shown, walked)).To(BeEmpty(), "shown, and left out")
		Expect(without(walked, shown)).To(BeEmpty(), "walked, and not shown")
	})

	It("works, command by command, as it stands", func(ctx SpecContext) {
		for _, stop := range journey() {
			walk(ctx, stop)
		}
		Expect(s.Get(ctx, "myservice", "/")).To(Equal("one"))
		Expect(s.Get(ctx, "myservice", "/env")).To(And(
			ContainSubstring("AREA=Live"), ContainSubstring("SECRET_KEY=your-secret-here"), ContainSubstring("USER=root")))
	})
})

func walk(ctx context.Context, at stop) {
	GinkgoHelper()
	command := strings.TrimPrefix(at.command, "@")
	By(command)
	if at.first != nil {
		at.first(ctx)
	}
	if at.with != nil {
		command = at.with(ctx).Replace(command)
	}
	host := s.Laptop
	if at.onHost {
		host = s.Biz
	}
	if at.code == follow {
		command = "timeout 1 " + command
	}
	r := s.Run(ctx, host, "bash", "-c", asRoot+command)
	switch at.code {
	case either:
		Expect(r.Code).To(Or(Equal(0), Equal(3)), r.String())
	case whatever:
	default:
		Expect(r.Code).To(Equal(at.code), r.String())
	}
	if at.says != nil {
		Expect(r.Out+r.Err).To(at.says, r.String())
	}
	if at.code == 0 {
		Expect(r.Err).To(BeEmpty(), "what went well says nothing on stderr: %s", r)
	}
}

// programs are the four commands and where they are.
func programs() map[string]*env.Host {
	return map[string]*env.Host{"deploy-manifest": s.Laptop, "deploy-push": s.Laptop, "deployerctl": s.Biz, "biz-deployer": s.Biz}
}
