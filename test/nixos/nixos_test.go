// The NixOS module and the flake, evaluated by a real Nix on a test host. There is no nixpkgs
// in a lab: a stand-in for its lib, lib.nix, does what evalModules would. Where NIXPKGS_LIB
// names the lib directory of a nixpkgs, that one is used as well, and has to agree.
//
// What this cannot show: that NixOS builds a system of it, and that the flake's package builds.
package nixos_test

import (
	"context"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"deployer/test/env"
)

var update = flag.Bool("update", false, "rewrite testdata/module.golden")

func TestNixOS(t *testing.T) {
	env.Require(t)
	RegisterFailHandler(Fail)
	RunSpecs(t, "NixOS")
}

const (
	pkg  = "/nix/store/00000000000000000000000000000000-biz-deployer"
	full = `{
  enable = true;
  package = "` + pkg + `";
  store = "s3://acme?endpoint=s3.example.com";
  trustedPublicKeys = [ "acme-1:Wl0nDZ0mPCSLcRbC2BIWXkXmlCm5wc3yMYVIJ2vPzRE=" ];
  settings.fullPass = "30s";
  openFirewall = true;
}`
)

// evaluated is what eval.nix gives.
type evaluated struct {
	Options map[string]struct{ Type, Description string } `json:"options"`
	Config  struct {
		Assertions []struct {
			Assertion bool   `json:"assertion"`
			Message   string `json:"message"`
		} `json:"assertions"`
		Boot        map[string]any `json:"boot"`
		Environment struct {
			Etc map[string]struct {
				Source string `json:"source"`
			} `json:"etc"`
			SystemPackages []string `json:"systemPackages"`
		} `json:"environment"`
		Services struct {
			Caddy map[string]any `json:"caddy"`
		} `json:"services"`
		Systemd struct {
			Services map[string]service `json:"services"`
		} `json:"systemd"`
	} `json:"config"`
}

type service struct {
	UnitConfig    map[string]any `json:"unitConfig"`
	ServiceConfig map[string]any `json:"serviceConfig"`
	WantedBy      []string       `json:"wantedBy"`
}

var laptop *env.Host

var _ = BeforeSuite(func(ctx SpecContext) {
	lab, err := env.NewLab(ctx, env.LabOptions{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(lab.Close()).To(Succeed()) })
	laptop, err = lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
	Expect(err).NotTo(HaveOccurred())
	for _, dir := range []string{"config", "test/nixos", "flake.nix"} {
		copyTo(ctx, filepath.Join("../..", dir), "/root/repo/"+dir)
	}
})

// copyTo puts a file, or a directory with all that is in it, on the laptop.
func copyTo(ctx context.Context, from, to string) {
	GinkgoHelper()
	Expect(filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return laptop.Write(ctx, filepath.Join(to, below), data, 0o644)
	})).To(Succeed())
}

func nix(ctx context.Context, args ...string) (string, error) {
	out, _, err := laptop.Exec(ctx, append([]string{"nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode"}, args...)...)
	return out, err
}

func evaluate(ctx context.Context, given string, more ...string) (evaluated, string) {
	GinkgoHelper()
	out, err := nix(ctx, append([]string{"/root/repo/test/nixos/eval.nix", "--arg", "given", given}, more...)...)
	Expect(err).NotTo(HaveOccurred())
	var e evaluated
	Expect(json.Unmarshal([]byte(out), &e)).To(Succeed())
	return e, out
}

// directives are those of a unit file, as the module has them.
func directives(name string) map[string]map[string]any {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join("../../config/systemd", name))
	Expect(err).NotTo(HaveOccurred())
	out := map[string]map[string]any{}
	section := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		switch key, value, found := strings.Cut(line, "="); {
		case strings.HasPrefix(line, "["):
			section = line
			out[section] = map[string]any{}
		case line == "" || line[0] == '#':
		case !found:
			Fail("no directive: " + line)
		default:
			switch have := out[section][key].(type) {
			case nil:
				out[section][key] = value
			case string:
				out[section][key] = []any{have, value}
			case []any:
				out[section][key] = append(have, value)
			}
		}
	}
	return out
}

// without leaves out what NixOS has in other places.
func without(m map[string]any, keys ...string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	for _, k := range keys {
		Expect(out).To(HaveKey(k))
		delete(out, k)
	}
	return out
}

var _ = Describe("the NixOS module", func() {
	It("has the units of config/systemd, but for what NixOS has in other places", func(ctx SpecContext) {
		e, _ := evaluate(ctx, full)
		for name, elsewhere := range map[string][]string{
			"biz-deployer":      {"ExecStart", "ExecReload", "ReadWritePaths"},
			"biz-deployer-boot": {"ExecStart"},
		} {
			got, want := e.Config.Systemd.Services[name], directives(name+".service")
			Expect(without(got.ServiceConfig, elsewhere...)).To(Equal(without(want["[Service]"], elsewhere...)), name)
			Expect(got.WantedBy).To(Equal([]string{want["[Install]"]["WantedBy"].(string)}))
			mounts := []string{}
			if name == "biz-deployer-boot" {
				mounts = []string{"RequiresMountsFor"}
			}
			Expect(without(got.UnitConfig, mounts...)).To(Equal(without(want["[Unit]"], mounts...)), name)
		}
		daemon := e.Config.Systemd.Services["biz-deployer"].ServiceConfig
		Expect(daemon["ExecStart"]).To(Equal(pkg + "/bin/biz-deployer --config /etc/biz-deployer/config.yaml"))
		Expect(daemon["ReadWritePaths"]).To(Equal("/etc/systemd-mutable/system -/nix/var/nix/gcroots"))

		caddy := directives("caddy.service")["[Service]"]
		for _, key := range []string{"RuntimeDirectory", "RuntimeDirectoryMode", "Restart", "RestartSec"} {
			Expect(e.Config.Systemd.Services["caddy"].ServiceConfig[key]).To(Equal(caddy[key]))
		}
		Expect(e.Config.Services.Caddy).To(And(HaveKeyWithValue("resume", true), HaveKeyWithValue("enableReload", false), HaveKeyWithValue("adapter", BeNil())))
	})

	It("gives the daemon a configuration that has only keys of the sample, with its unit directory", func(ctx SpecContext) {
		e, _ := evaluate(ctx, full)
		text, err := laptop.Read(ctx, e.Config.Environment.Etc["biz-deployer/config.yaml"].Source)
		Expect(err).NotTo(HaveOccurred())
		got, sample := map[string]any{}, map[string]any{}
		Expect(yaml.UnmarshalStrict(text, &got)).To(Succeed())
		data, err := os.ReadFile("../../config/biz-deployer.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(yaml.UnmarshalStrict(data, &sample)).To(Succeed())
		for key := range got {
			Expect(sample).To(HaveKey(key))
		}
		Expect(got).To(And(HaveKeyWithValue("host", "biz"), HaveKeyWithValue("fullPass", "30s"),
			HaveKeyWithValue("unitDirectory", "/etc/systemd-mutable/system"), HaveKeyWithValue("store", "s3://acme?endpoint=s3.example.com")))
		Expect(got).NotTo(HaveKey("cache"))
		Expect(e.Config.Boot["extraSystemdUnitPaths"]).To(Equal([]any{"/etc/systemd-mutable/system"}))

		config, err := laptop.Read(ctx, e.Config.Services.Caddy["configFile"].(string))
		Expect(err).NotTo(HaveOccurred())
		ours, err := os.ReadFile("../../config/caddy/caddy.json")
		Expect(err).NotTo(HaveOccurred())
		Expect(config).To(Equal(ours))
	})

	It("is as it was: options, units and all", func(ctx SpecContext) {
		_, out := evaluate(ctx, full)
		var all any
		Expect(json.Unmarshal([]byte(out), &all)).To(Succeed())
		text, err := yaml.Marshal(all)
		Expect(err).NotTo(HaveOccurred())
		// What is hashed is shown elsewhere.
		text = regexp.MustCompile(`/nix/store/[0-9a-z]*[1-9a-z][0-9a-z]*-`).ReplaceAll(text, []byte("/nix/store/HASH-"))
		if *update {
			Expect(os.WriteFile("testdata/module.golden", text, 0o644)).To(Succeed())
		}
		want, err := os.ReadFile("testdata/module.golden")
		Expect(err).NotTo(HaveOccurred(), "run the test with -update and look at the diff")
		Expect(string(text)).To(Equal(string(want)))
	})

	It("documents every option", func(ctx SpecContext) {
		e, _ := evaluate(ctx, full)
		Expect(e.Options).To(HaveLen(9))
		for name, o := range e.Options {
			Expect(o.Description).NotTo(BeEmpty(), name)
		}
	})

	It("does nothing when it is not enabled, and leaves Caddy alone when that is asked for", func(ctx SpecContext) {
		_, out := evaluate(ctx, "{ }")
		Expect(out).To(ContainSubstring(`"config":{}`))
		e, _ := evaluate(ctx, `{ enable = true; package = "`+pkg+`"; store = "s3://acme"; caddy.enable = false; }`)
		Expect(e.Config.Services.Caddy).To(BeEmpty())
		Expect(e.Config.Systemd.Services).NotTo(HaveKey("caddy"))
	})

	It("asserts what would go wrong", func(ctx SpecContext) {
		failed := func(given string, more ...string) []string {
			e, _ := evaluate(ctx, given, more...)
			out := []string{}
			for _, a := range e.Config.Assertions {
				if !a.Assertion {
					out = append(out, a.Message)
				}
			}
			return out
		}
		Expect(failed(full)).To(BeEmpty())
		Expect(failed(strings.Replace(full, "settings.fullPass", "settings.unitDirectory", 1))).To(ConsistOf(ContainSubstring("unitDirectory cannot be set")))
		sites := []string{"--arg", "virtualHosts", `{ "x.example.com" = { }; }`}
		Expect(failed(full, sites...)).To(ConsistOf(ContainSubstring("virtualHosts would be lost")))
		Expect(failed(strings.Replace(full, "openFirewall", "caddy.enable = false; openFirewall", 1), sites...)).To(BeEmpty())
	})

	DescribeTable("refuses", func(ctx SpecContext, given, said string) {
		_, err := nix(ctx, "/root/repo/test/nixos/eval.nix", "--arg", "given", given)
		Expect(err).To(MatchError(ContainSubstring(said)))
	},
		Entry("a mistyped option", `{ enable = true; stroe = "s3://acme"; }`, "biz-deployer.stroe' does not exist"),
		Entry("a value of another type", `{ enable = true; package = "x"; store = "s3://acme"; trustedPublicKeys = "acme-1:x"; }`, "is not a list of string"),
		Entry("no store", `{ enable = true; package = "x"; }`, "biz-deployer.store' is used but not defined"),
	)

	It("is the same by the lib of a real nixpkgs", func(ctx SpecContext) {
		lib := os.Getenv("NIXPKGS_LIB")
		if lib == "" {
			Skip("NIXPKGS_LIB names no lib directory of a nixpkgs")
		}
		copyTo(ctx, lib, "/root/nixpkgs/lib")
		_, byStandIn := evaluate(ctx, full)
		_, byReal := evaluate(ctx, full, "--arg", "realLib", "/root/nixpkgs/lib")
		Expect(byReal).To(MatchJSON(byStandIn))
	})
})

var _ = Describe("the flake", func() {
	It("has package, module and shell, for the commands that there are", func(ctx SpecContext) {
		out, err := nix(ctx, "/root/repo/test/nixos/flake.nix")
		Expect(err).NotTo(HaveOccurred())
		var f struct {
			Systems []string
			Shells  map[string][]string
			Package struct {
				Pname, Version, VendorHash string
				SubPackages, Ldflags       []string
			}
			Imports       []bool
			ModulePackage string
		}
		Expect(json.Unmarshal([]byte(out), &f)).To(Succeed(), out)
		Expect(f.Systems).To(Equal([]string{"aarch64-linux", "x86_64-linux"}))
		Expect(f.Shells).To(HaveKeyWithValue("x86_64-linux", ContainElement("go")))
		Expect(f.Package.Version).To(Equal("0123abc"))
		Expect(f.Package.VendorHash).To(HavePrefix("sha256-"))
		Expect(f.Package.Ldflags).To(ContainElement("-X deployer/cmd/internal/cli.Version=0123abc"))
		mains, err := filepath.Glob("../../cmd/*/main.go")
		Expect(err).NotTo(HaveOccurred())
		Expect(f.Package.SubPackages).To(HaveLen(len(mains)))
		for _, p := range f.Package.SubPackages {
			Expect(filepath.Join("../..", p, "main.go")).To(BeARegularFile())
		}
		Expect(f.Imports).To(Equal([]bool{true}))
		Expect(f.ModulePackage).To(Equal(pkg))
	})
})
