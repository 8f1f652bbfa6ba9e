package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/config/schema"
	"deployer/providers/nix"
	"deployer/test/env"
)

var _ = Describe("deploy-manifest", func() {
	var p *person
	BeforeEach(func(ctx SpecContext) {
		p = newPerson()
		p.must(ctx, "init")
		p.cache()
	})
	addWeb := func(ctx SpecContext) {
		GinkgoHelper()
		p.must(ctx, "add-service", `{"name":"web","hosts":["biz"],"artifact":{"storePath":"`+pathOne+`"}}`)
	}
	shown := func(ctx SpecContext, args ...string) *v1.Manifest {
		GinkgoHelper()
		m, err := v1.DecodeManifest([]byte(p.must(ctx, append([]string{"show"}, args...)...)))
		Expect(err).NotTo(HaveOccurred())
		return m
	}

	It("takes the JSON of the system before us as it stands", func(ctx SpecContext) {
		p.must(ctx, "add-service", fromTheDocs)
		s := shown(ctx).Service("my-new-service")
		Expect(s.HasRelease()).To(BeFalse())
		Expect(s.Exec.User).To(Equal("root"))
	})

	It("prints what it reads again, in each format", func(ctx SpecContext) {
		addWeb(ctx)
		for _, format := range []string{"json", "yaml"} {
			Expect(shown(ctx, "-o", format).Hash()).To(Equal(shown(ctx).Hash()))
			p.stdin = p.must(ctx, "show", "-o", format)
			Expect(p.must(ctx, "apply", "-f", "-")).To(HavePrefix("nothing to change: "))
			p.stdin = p.must(ctx, "show", "web", "-o", format)
			Expect(p.must(ctx, "validate", "-f", "-")).To(Equal("standard input is a valid service: web\n"))
		}
	})

	It("rolls back, and rolls the rollback back", func(ctx SpecContext) {
		addWeb(ctx)
		p.must(ctx, "update", "web", pathTwo)
		p.must(ctx, "add-service", `{"name":"api","hosts":["biz"]}`)
		before := shown(ctx)
		names := strings.Fields(p.must(ctx, "list"))
		Expect(names).To(HaveLen(3))
		p.must(ctx, "rollback", strings.TrimSuffix(names[1], ".json"))
		back := shown(ctx)
		Expect(back.Service("web").Artifact.StorePath).To(Equal(pathOne))
		Expect(back.IsRemoved("api")).To(BeTrue())
		Expect(back.Lineage).To(Equal(before.Lineage))
		Expect(back.Generation).To(Equal(before.Generation + 1))
		Expect(back.Message).To(Equal("rollback to generation 2 (" + names[1] + ")"))

		newest := strings.TrimSpace(p.must(ctx, "list", "--limit", "1"))
		p.must(ctx, "rollback", newest)
		again := shown(ctx)
		Expect(again.Services).To(Equal(before.Services))
		Expect(again.Removed).To(BeEmpty())
		Expect(again.Generation).To(Equal(before.Generation + 2))
	})

	It("rolls back to a bare manifest of the system before us", func(ctx SpecContext) {
		addWeb(ctx)
		old := filepath.Join(p.home, "store", "manifests", "manifest-20251216T045211.json")
		Expect(os.WriteFile(old, []byte(`{"version":1,"services":[{"name":"old","hosts":["biz"]}]}`), 0o600)).To(Succeed())
		p.must(ctx, "rollback", "manifest-20251216T045211.json")
		Expect(shown(ctx).Service("old")).NotTo(BeNil())
		Expect(shown(ctx).IsRemoved("web")).To(BeTrue())
	})

	It("guards against mass removal in apply --prune and rollback", func(ctx SpecContext) {
		names := strings.Fields(p.must(ctx, "list"))
		Expect(names).To(BeEmpty())
		addWeb(ctx)
		p.must(ctx, "add-service", `{"name":"api","hosts":["biz"]}`)
		empty := strings.Fields(p.must(ctx, "list"))[1]
		file := p.write("none.yaml", "version: 1\nservices: []\n")
		for _, command := range [][]string{{"apply", "-f", file, "--prune"}, {"rollback", empty}} {
			Expect(p.refused(ctx, cli.ExitError, command...)).To(ContainSubstring("--allow-mass-removal"))
			p.must(ctx, append(command, "--allow-mass-removal", "--dry-run")...)
		}
		Expect(p.must(ctx, "apply", "-f", file)).To(HavePrefix("nothing to change"))
		p.must(ctx, "rollback", empty, "--allow-mass-removal")
		Expect(shown(ctx).Services).To(BeEmpty())
		Expect(shown(ctx).Removed).To(HaveLen(2))
	})

	It("refuses what is not valid, names all of it by path, and writes nothing", func(ctx SpecContext) {
		addWeb(ctx)
		file := p.write("five.yaml", `
version: 1
services:
- {name: Web, hosts: [biz]}
- {name: api, hosts: [], artifact: {storePath: /tmp/api}, htpp: {domain: x.example.com}}
- {name: worker, hosts: [biz], http: {domain: worker.example.com, internalPort: "80x"}}
`)
		for _, command := range []string{"validate", "apply"} {
			problems := p.refused(ctx, cli.ExitUsage, command, "-f", file)
			for _, path := range []string{
				"services[0].name: ", "services[1].hosts: ", "services[1].artifact.storePath: ",
				"services[1].htpp: unknown field; did you mean http?", "services[2].http.internalPort: ",
			} {
				Expect(problems).To(ContainSubstring(path))
			}
		}
	})

	DescribeTable("refuses, with the way out,",
		func(ctx SpecContext, code int, wayOut string, args ...string) {
			addWeb(ctx)
			Expect(p.refused(ctx, code, args...)).To(ContainSubstring(wayOut))
		},
		Entry("an unknown store scheme", cli.ExitUsage, "write s3://bucket", "show", "--store", "gs://bucket"),
		Entry("a store that is not there", cli.ExitError, "deploy-manifest init", "show", "--store", "file:///nonexistent/deployer/store"),
		Entry("to add a service twice", cli.ExitUsage, "deploy-manifest set web", "add-service", `{"name":"web","hosts":["biz"]}`),
		Entry("a route without a port", cli.ExitUsage, "required", "add-service", `{"name":"api","hosts":["biz"],"http":{"domain":"a.example.com"}}`),
		Entry("an unknown service", cli.ExitUsage, "it has web", "update", "api", pathOne),
		Entry("no store path", cli.ExitUsage, "artifact.storePath", "update", "web", "/tmp/x"),
		Entry("a field set twice", cli.ExitUsage, "env.X: is set twice", "set", "web", "env.X=1", "env.X=2"),
		Entry("no number", cli.ExitUsage, `"abc" is not a whole number`, "set", "web", "http.internalPort=abc"),
		Entry("an unknown field", cli.ExitUsage, "did you mean http", "set", "web", "htp.domain=x"),
		Entry("no name of an archive", cli.ExitUsage, `"yesterday" is not the name`, "rollback", "yesterday"),
		Entry("an unknown archive", cli.ExitError, "deploy-manifest list", "rollback", "manifest-20200101T000000Z.json"),
		Entry("an unknown format", cli.ExitUsage, "table, json and yaml", "show", "-o", "xml"),
		Entry("an unknown command", cli.ExitUsage, "did you mean set or show?", "sow"),
		Entry("two services at once", cli.ExitUsage, "say one of them", "add-service", "{}", "-f", "x"),
		Entry("a file that is not there", cli.ExitUsage, "there is no file", "validate", "-f", "/nonexistent.yaml"),
		Entry("a negative limit", cli.ExitUsage, "less than none", "list", "--limit", "-1"),
	)

	It("says the way out when the store's manifest is damaged, and that one works", func(ctx SpecContext) {
		addWeb(ctx)
		p.must(ctx, "update", "web", pathTwo)
		path := filepath.Join(p.home, "store", "manifest.json")
		Expect(os.WriteFile(path, []byte(`{"version":1,"services":[`), 0o600)).To(Succeed())
		Expect(p.refused(ctx, cli.ExitError, "show")).To(ContainSubstring("manifest.json is not a usable manifest"))
		Expect(p.refused(ctx, cli.ExitError, "remove-service", "web")).To(ContainSubstring("deploy-manifest rollback"))
		Expect(os.WriteFile(path, []byte("<html>Please log in</html>"), 0o600)).To(Succeed())
		Expect(p.refused(ctx, cli.ExitError, "show")).To(ContainSubstring("manifest.json is not a usable manifest"))
		newest := strings.TrimSpace(p.must(ctx, "list", "--limit", "1"))
		Expect(p.must(ctx, "rollback", newest)).To(ContainSubstring("archived as damaged-"))
		Expect(shown(ctx).Service("web").Artifact.StorePath).To(Equal(pathOne))
		Expect(shown(ctx).Generation).To(BeEquivalentTo(4))
	})

	It("says the way out when the manifest was lost, and that one works", func(ctx SpecContext) {
		addWeb(ctx)
		p.must(ctx, "update", "web", pathTwo)
		lineage := shown(ctx).Lineage
		Expect(os.Remove(filepath.Join(p.home, "store", "manifest.json"))).To(Succeed())
		for _, command := range []string{"show", "init"} {
			said := p.refused(ctx, cli.ExitError, command)
			Expect(said).To(And(ContainSubstring("deploy-manifest rollback $(deploy-manifest list -n 1)"), ContainSubstring("init --new-lineage")))
			Expect(said).NotTo(ContainSubstring("not found"))
		}
		newest := strings.TrimSpace(p.must(ctx, "list", "-n", "1"))
		Expect(p.must(ctx, "rollback", newest, "--dry-run")).To(ContainSubstring("there is still no usable manifest"))
		Expect(p.must(ctx, "rollback", newest)).To(And(ContainSubstring("wrote generation 4"), Not(ContainSubstring("archived as"))))
		Expect(shown(ctx).Lineage).To(Equal(lineage))
		Expect(shown(ctx).Service("web").Artifact.StorePath).To(Equal(pathOne))
	})

	DescribeTable("warns of a name that belongs to the hosts", func(ctx SpecContext, name string, warned bool) {
		r := p.run(ctx, "add-service", `{"name":"`+name+`","hosts":["biz"]}`)
		Expect(r.code).To(Equal(cli.ExitOK), r.err)
		Expect(strings.Contains(r.err, "NameTaken")).To(Equal(warned), r.err)
		Expect(shown(ctx).Service(name)).NotTo(BeNil())
	},
		Entry(nil, "caddy", true),
		Entry(nil, "sshd", true),
		Entry(nil, "systemd-web", true),
		Entry(nil, "caddy-admin", false),
	)

	It("says that no store is given", func(ctx SpecContext) {
		if _, err := os.Stat(cli.HostConfigPath); err == nil {
			env.Lacks(GinkgoT(), "a machine without %s, which names a store", cli.HostConfigPath)
		}
		GinkgoT().Setenv(cli.StoreEnv, "")
		Expect(p.refused(ctx, cli.ExitUsage, "show")).To(And(ContainSubstring("--store"), ContainSubstring("DEPLOYER_STORE"), ContainSubstring("config.yaml")))
	})

	It("finds the store in the person's configuration", func(ctx SpecContext) {
		GinkgoT().Setenv(cli.StoreEnv, "")
		dir := filepath.Join(p.home, ".config", "deployer")
		Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("store: "+p.store+"\n"), 0o600)).To(Succeed())
		Expect(shown(ctx).Generation).To(BeEquivalentTo(1))
	})

	It("tells scripts by exit code 5 that versions differ, and only then", func(ctx SpecContext) {
		addWeb(ctx)
		Expect(p.run(ctx, "diff", "--exit-code").code).To(Equal(cli.ExitDifferent))
		Expect(p.run(ctx, "diff").code).To(Equal(cli.ExitOK))
		Expect(p.run(ctx, "diff", "current", "current", "--exit-code").code).To(Equal(cli.ExitOK))
		var changes []v1.Change
		Expect(json.Unmarshal([]byte(p.must(ctx, "diff", "current", "current", "-o", "json")), &changes)).To(Succeed())
		Expect(changes).To(BeEmpty())
	})

	It("loses no edit of two people who write in a loop (F8)", func(ctx SpecContext) {
		addWeb(ctx)
		const edits = 25
		write := func(name string) {
			defer GinkgoRecover()
			mine := &person{home: p.home, store: p.store, clock: p.clock}
			for i := range edits {
				r := mine.run(ctx, "set", "web", fmt.Sprintf("env.%s_%d=1", name, i))
				Expect(r.code).To(Equal(cli.ExitOK), r.err)
			}
		}
		var both sync.WaitGroup
		both.Go(func() { write("LEFT") })
		both.Go(func() { write("RIGHT") })
		both.Wait()
		Expect(shown(ctx).Service("web").Env).To(HaveLen(2 * edits))
		Expect(shown(ctx).Generation).To(BeEquivalentTo(2 + 2*edits))
		generations := map[string]bool{}
		var rows []archived
		Expect(json.Unmarshal([]byte(p.must(ctx, "list", "-o", "json")), &rows)).To(Succeed())
		for _, row := range rows {
			generations[strconv.FormatInt(row.Generation, 10)] = true
		}
		Expect(rows).To(HaveLen(1 + 2*edits))
		Expect(generations).To(HaveLen(1 + 2*edits))
	})

	It("makes keys that Nix's format knows, and overwrites none", func(ctx SpecContext) {
		file := filepath.Join(p.home, "k.secret")
		p.must(ctx, "keygen", "acme-1", "--out", file)
		secret, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		public, err := os.ReadFile(filepath.Join(p.home, "k.public"))
		Expect(err).NotTo(HaveOccurred())
		Expect(nix.PublicKey(string(secret))).To(Equal(strings.TrimSpace(string(public))))
		Expect(p.refused(ctx, cli.ExitError, "keygen", "acme-2", "--out", file)).To(ContainSubstring("left as it is"))
		Expect(os.ReadFile(file)).To(Equal(secret))
		Expect(os.Remove(filepath.Join(p.home, "k.public"))).To(Succeed())
		p.refused(ctx, cli.ExitError, "keygen", "acme-2", "--out", file)
		Expect(os.ReadFile(file)).To(Equal(secret))
	})

	It("prints the schema", func(ctx SpecContext) {
		out := p.must(ctx, "schema")
		Expect(out).To(Equal(schema.Manifest()))
		Expect(json.Valid([]byte(out))).To(BeTrue())
	})

	It("offers services and archived versions to the shell", func(ctx SpecContext) {
		addWeb(ctx)
		complete := func(args ...string) []string {
			return strings.Fields(p.run(ctx, append([]string{"__complete"}, args...)...).out)
		}
		Expect(complete("update", "")).To(ContainElement("web"))
		Expect(complete("show", "w")).To(ContainElement("web"))
		Expect(complete("rollback", "")).To(ContainElement("manifest-20261216T033100Z.json"))
		Expect(complete("diff", "")).To(ContainElements("current", "manifest-20261216T033100Z.json"))
		Expect(complete("show", "-o", "")).To(ContainElements("json", "table", "yaml"))
		Expect(p.must(ctx, "completion", "bash")).To(ContainSubstring("deploy-manifest"))
	})

	It("explains every command with an example that begins with its name", func() {
		var look func(c *cobra.Command)
		look = func(c *cobra.Command) {
			for _, sub := range c.Commands() {
				look(sub)
			}
			Expect(c.Short).NotTo(BeEmpty(), c.CommandPath())
			Expect(c.Long).NotTo(BeEmpty(), c.CommandPath())
			Expect(c.Example).To(ContainSubstring(c.CommandPath()))
		}
		look(newApp().command())
	})
})
