package main

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// What people see, word for word: testdata/*.golden.
var _ = Describe("transcripts", func() {
	var p *person
	BeforeEach(func() { p = newPerson() })

	It("a first day", func(ctx SpecContext) {
		p.run(ctx, "show")
		p.run(ctx, "init")
		p.run(ctx, "init")
		p.run(ctx, "show")
		p.run(ctx, "list")
		p.run(ctx, "list", "-o", "table")
		p.run(ctx, "diff")
		p.run(ctx, "add-service", fromTheDocs)
		p.run(ctx, "add-service", fromTheDocs)
		p.run(ctx, "update", "my-new-service", pathOne, "--commit", "v1", "-m", "the first release")
		p.run(ctx, "update", "my-new-service", pathOne)
		p.run(ctx, "show", "my-new-service")
		p.run(ctx, "show", "my-new-service", "-o", "yaml")
		p.run(ctx, "show", "my-new-service", "-o", "table")
		p.run(ctx, "show", "-o", "table")
		p.run(ctx, "list")
		p.run(ctx, "list", "-o", "table")
		p.run(ctx, "list", "-o", "json", "--limit", "1")
		p.expectGolden("first-day")
	})

	It("changes", func(ctx SpecContext) {
		p.must(ctx, "init")
		p.cache()
		p.must(ctx, "add-service", `{"name":"web","hosts":["biz","second"],"artifact":{"storePath":"`+pathOne+`"},"env":{"PORT":"8080"},"http":{"domain":"www.example.com","internalPort":8080}}`)
		p.must(ctx, "add-service", `{"name":"worker","hosts":["biz"],"artifact":{"storePath":"`+pathOne+`"}}`)
		p.transcript.Reset()
		p.run(ctx, "set", "web", "http.domain=www.example.org", "deploy.soak=5s")
		p.run(ctx, "set", "web", "env.AREA=Test", "http.aliases=example.org,example.com")
		p.run(ctx, "set", "web", "env.AREA=Live", "--dry-run")
		p.run(ctx, "diff")
		p.run(ctx, "diff", "current", "current")
		p.run(ctx, "diff", "manifest-20261216T033100Z", "current", "--exit-code")
		p.run(ctx, "diff", "-o", "json")
		p.run(ctx, "update", "web", pathTwo, "-m", "a bad idea")
		p.run(ctx, "rollback", "manifest-20261216T033200Z.json", "--dry-run")
		p.run(ctx, "rollback", "manifest-20261216T033200Z.json")
		p.run(ctx, "set", "web", "protect=true")
		p.run(ctx, "remove-service", "web")
		p.run(ctx, "set", "web", "hosts=second")
		p.run(ctx, "set", "web", "protect=")
		p.run(ctx, "set", "web", "artifact.storePath=/nix/store/placeholder", "--dry-run")
		p.run(ctx, "remove-service", "web")
		p.run(ctx, "remove-service", "web")
		p.run(ctx, "remove-service", "forgotten")
		p.run(ctx, "rollback", "manifest-20261216T033200Z.json", "--allow-mass-removal")
		p.run(ctx, "show", "-o", "table")
		p.run(ctx, "list", "-o", "table")
		p.expectGolden("changes")
	})

	It("files", func(ctx SpecContext) {
		p.must(ctx, "init")
		all, err := os.ReadFile("../../config/samples/two-services.manifest.yaml")
		Expect(err).NotTo(HaveOccurred())
		file := p.write("all.yaml", string(all))
		one := p.write("web.yaml", "name: shop\nhosts: [biz, second]\n")
		p.transcript.Reset()
		p.run(ctx, "validate", "-f", file)
		p.run(ctx, "apply", "-f", file, "--dry-run")
		p.run(ctx, "apply", "-f", file)
		p.run(ctx, "apply", "-f", file)
		p.run(ctx, "update", "shop", pathOne)
		p.run(ctx, "apply", "-f", file)
		p.run(ctx, "validate", "-f", one)
		p.run(ctx, "apply", "-f", one)
		p.run(ctx, "apply", "-f", one, "--prune")
		p.run(ctx, "apply")
		p.run(ctx, "apply", "-f", filepath.Join(p.home, "nothing.yaml"))
		p.expectGolden("files")
	})

	It("holds", func(ctx SpecContext) {
		p.must(ctx, "init")
		p.must(ctx, "add-service", `{"name":"web","hosts":["biz","second"],"artifact":{"storePath":"`+pathOne+`"}}`)
		p.must(ctx, "add-service", `{"name":"worker","hosts":["biz"]}`)
		p.transcript.Reset()
		p.run(ctx, "hold", "web")
		p.run(ctx, "hold", "web", "--reason", "load test")
		p.run(ctx, "update", "web", pathTwo)
		p.run(ctx, "set", "web", "deploy.soak=5s", "--dry-run")
		p.run(ctx, "hold", "web", "--reason", "the database moves", "--until", "2026-12-17T18:30:00Z")
		p.run(ctx, "hold", "web", "--reason", "kept for the auditors", "--forever", "--for", "1h")
		p.run(ctx, "hold", "web", "--reason", "kept for the auditors", "--for", "a while")
		p.run(ctx, "hold", "web", "--reason", "kept for the auditors", "--forever", "--dry-run")
		p.run(ctx, "unhold", "web")
		p.run(ctx, "unhold", "web")
		p.run(ctx, "hold", "nope", "--reason", "x")
		p.run(ctx, "retry", "web")
		p.run(ctx, "retry", "web", "-m", "the database is back")
		p.run(ctx, "retry", "worker")
		p.run(ctx, "retry", "nope")
		p.run(ctx, "list", "-o", "table")
		p.expectGolden("holds")
	})

	It("mistakes", func(ctx SpecContext) {
		p.must(ctx, "init")
		p.must(ctx, "add-service", `{"name":"web","hosts":["biz"],"http":{"domain":"www.example.com","internalPort":8080}}`)
		five := p.write("five.yaml", `
version: 1
services:
- name: Web
  hosts: [biz]
- name: api
  hosts: []
  artifact: {storePath: /tmp/api}
  htpp: {domain: api.example.com}
- name: worker
  hosts: [biz]
  http: {domain: worker.example.com, internalPort: "8080x"}
`)
		p.transcript.Reset()
		p.run(ctx, "validate", "-f", five)
		p.run(ctx, "apply", "-f", five)
		p.run(ctx, "add-service", `{"name":"api","hosts":["biz"],"http":{"domain":"www.example.com","internalPort":8080}}`)
		p.run(ctx, "add-service", "name: [")
		p.run(ctx, "add-service")
		p.run(ctx, "set", "web", "htp.domain=x")
		p.run(ctx, "set", "web", "http.domain")
		p.run(ctx, "set", "web", "http.domain=WWW.example.com", "http.internalPort=99999")
		p.run(ctx, "update", "web", "/nix/store/web")
		p.run(ctx, "update", "wbe", pathOne)
		p.run(ctx, "show", "wbe")
		p.run(ctx, "show", "--at", "manifest-20200101T000000Z.json")
		p.run(ctx, "rollback", "yesterday")
		p.run(ctx, "rollback", "99")
		p.run(ctx, "rollback", "--service", "wbe")
		p.run(ctx, "rollback", "--service", "web")
		p.run(ctx, "history", "wbe")
		p.run(ctx, "diff", "1", "99")
		p.run(ctx, "shw")
		p.run(ctx, "show", "-o", "xml")
		p.run(ctx, "show", "--store", "ftp://example.com/x")
		p.run(ctx, "show", "--store", "s3//bucket")
		p.expectGolden("mistakes")
	})

	It("history", func(ctx SpecContext) {
		commit := "3f2a9c1d7be0c5a1f2d3e4b5a6978812345678ab"
		p.must(ctx, "init")
		p.cache()
		p.transcript.Reset()
		p.run(ctx, "history")
		p.must(ctx, "add-service", `{"name":"web","hosts":["biz"],"artifact":{"storePath":"`+pathOne+`"},"env":{"PORT":"8080"},"http":{"domain":"www.example.com","internalPort":8080}}`)
		p.must(ctx, "add-service", `{"name":"worker","hosts":["biz"]}`)
		p.must(ctx, "update", "web", pathTwo, "--commit", commit)
		p.must(ctx, "set", "web", "http.domain=www.example.org", "env.AREA=Live", "-m", "the new address")
		p.must(ctx, "remove-service", "worker")
		p.transcript.Reset()
		p.run(ctx, "history")
		p.run(ctx, "history", "-n", "2")
		p.run(ctx, "history", "web")
		p.run(ctx, "history", "web", "-n", "1", "-o", "json")
		p.run(ctx, "show", "web", "--at", "2", "-o", "yaml")
		p.run(ctx, "show", "--at", "previous", "-o", "table")
		p.run(ctx, "diff")
		p.run(ctx, "diff", "3", "5")
		p.run(ctx, "diff", "previous")
		p.run(ctx, "rollback", "--service", "web")
		p.run(ctx, "rollback", "--service", "web", "4")
		p.run(ctx, "rollback", "--dry-run")
		p.run(ctx, "rollback", "3")
		p.run(ctx, "rollback", "current")
		p.run(ctx, "history", "-n", "4")
		p.expectGolden("history")
	})

	It("keys", func(ctx SpecContext) {
		p.run(ctx, "keygen", "acme-1")
		p.run(ctx, "keygen", "acme-1")
		p.run(ctx, "keygen", "acme 1")
		p.expectGolden("keys")
		for name, mode := range map[string]os.FileMode{"acme-1.secret": 0o600, "acme-1.public": 0o644} {
			info, err := os.Stat(filepath.Join(p.home, ".config", "deployer", name))
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode().Perm()).To(Equal(mode))
		}
	})
})
