package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
)

var _ = Describe("deploy-manifest edit", func() {
	var p *person
	BeforeEach(func(ctx SpecContext) {
		p = newPerson()
		GinkgoT().Setenv("VISUAL", "")
		p.must(ctx, "init")
		p.cache()
		p.must(ctx, "add-service", `{"name":"web","hosts":["biz"],"artifact":{"storePath":"`+pathOne+`"},"env":{"PORT":"8080"},"http":{"domain":"www.example.com","internalPort":8080}}`)
		p.must(ctx, "add-service", `{"name":"api","hosts":["biz"],"artifact":{"storePath":"`+pathOne+`"}}`)
		GinkgoT().Setenv("TMPDIR", p.home)
	})
	// hands is an editor that does one thing after the other to "$1", each time it is opened,
	// and keeps what it was shown.
	hands := func(steps ...string) {
		GinkgoHelper()
		script := "echo x >> " + p.home + "/opened\nn=$(wc -l < " + p.home + "/opened)\n" +
			`for last in "$@"; do :; done; set -- "$last"` + "\ncp \"$1\" " + p.home + "/shown-$n\ncase $n in\n"
		for i, step := range steps {
			script += fmt.Sprintf("%d) %s ;;\n", i+1, step)
		}
		script += "*) exit 9 ;;\nesac\n"
		GinkgoT().Setenv("EDITOR", "sh "+p.write("editor.sh", script))
	}
	shown := func(n int) string {
		GinkgoHelper()
		data, err := os.ReadFile(filepath.Join(p.home, fmt.Sprintf("shown-%d", n)))
		Expect(err).NotTo(HaveOccurred())
		return string(data)
	}
	current := func(ctx SpecContext) *v1.Manifest {
		GinkgoHelper()
		m, err := v1.DecodeManifest([]byte(p.must(ctx, "show")))
		Expect(err).NotTo(HaveOccurred())
		return m
	}
	left := func() []string {
		GinkgoHelper()
		files, err := filepath.Glob(filepath.Join(p.home, "deploy-manifest-*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		return files
	}
	kept := regexp.MustCompile(`your text is kept in (\S+):`)

	It("shows commented YAML, and writes what was changed in it", func(ctx SpecContext) {
		hands(`sed -i 's/www.example.com/www.example.org/' "$1"`)
		out := p.must(ctx, "edit", "-m", "another name")
		Expect(out).To(And(ContainSubstring("~ http.domain: www.example.com → www.example.org"), ContainSubstring("wrote generation 4")))
		Expect(shown(1)).To(And(
			HavePrefix("# The manifest in "+p.store+", generation 3.\n"),
			ContainSubstring("Comments are not stored."), ContainSubstring("taken down"),
			ContainSubstring("\n  name: web\n"), ContainSubstring("\n  name: api\n"),
			Not(ContainSubstring("lineage")), Not(ContainSubstring("updatedBy")),
		))
		Expect(current(ctx).Service("web").HTTP.Domain).To(Equal("www.example.org"))
		Expect(current(ctx).Message).To(Equal("another name"))
		Expect(left()).To(BeEmpty())
	})

	It("edits one service", func(ctx SpecContext) {
		hands(`sed -i 's/"8080"/"8081"/; s/internalPort: 8080/internalPort: 8081/; $a protect: true # for now' "$1"`)
		p.must(ctx, "edit", "web")
		Expect(shown(1)).To(And(HavePrefix("# web of the manifest in "), Not(ContainSubstring("api"))))
		web := current(ctx).Service("web")
		Expect(web.HTTP.InternalPort).To(Equal(8081))
		Expect(web.Protect).To(BeTrue())
		Expect(current(ctx).Message).To(Equal("set web env.PORT, http.internalPort, protect"))
	})

	DescribeTable("changes nothing when the text was left as it was, or emptied", func(ctx SpecContext, step string, args ...string) {
		hands(step)
		before := p.files()
		Expect(p.must(ctx, append([]string{"edit"}, args...)...)).To(Equal("Edit cancelled, no changes made\n"))
		Expect(p.files()).To(Equal(before))
		Expect(left()).To(BeEmpty())
	},
		Entry("left", "true"),
		Entry("left, for one service", "true", "web"),
		Entry("emptied", `: > "$1"`),
		Entry("emptied, for one service", `: > "$1"`, "web"),
		Entry("with nothing but its comments", `sed -i '/^[^#]/d' "$1"`),
		Entry("with other blanks and comments", `sed -i 's/^version: 1$/version:   1 # ok/' "$1"`),
	)

	It("opens again with everything that is wrong as comments at the top, and then goes on", func(ctx SpecContext) {
		hands(
			`sed -i 's/internalPort: 8080/internalPort: 99999/; s/  name: api/  name: Api/; $a # mine' "$1"`,
			`sed -i 's/internalPort: 99999/internalPort: 9090/; s/PORT: "8080"/PORT: "9090"/' "$1"`,
			`sed -i 's/name: Api/name: api/' "$1"`,
		)
		p.must(ctx, "edit")
		Expect(shown(2)).To(HavePrefix("#! It was not written."))
		Expect(shown(2)).To(And(
			ContainSubstring("#! 2 problems:\n"), ContainSubstring(`#!   services[1].name: "Api": `), ContainSubstring("#!   services[0].http.internalPort: 99999"),
			ContainSubstring("# mine"), ContainSubstring("internalPort: 99999"),
		))
		Expect(strings.Count(shown(3), "#! ")).To(Equal(2), shown(3))
		Expect(strings.Count(shown(3), "# Save it")).To(Equal(1))
		Expect(current(ctx).Service("web").HTTP.InternalPort).To(Equal(9090))
		Expect(left()).To(BeEmpty())
	})

	It("names the line of a slip in YAML as the person sees it", func(ctx SpecContext) {
		hands(`sed -i 's/^  name: api$/  name: api: x/' "$1"`, `true`)
		r := p.run(ctx, "edit")
		Expect(r.code).To(Equal(cli.ExitUsage))
		line := regexp.MustCompile(`#! reading YAML: line (\d+): mapping values`).FindStringSubmatch(shown(2))
		Expect(line).NotTo(BeNil(), shown(2))
		var number int
		_, err := fmt.Sscan(line[1], &number)
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Split(shown(2), "\n")[number-1]).To(ContainSubstring("name: api: x"))
	})

	It("opens for ever for nobody: left with its mistakes, the text is kept and named", func(ctx SpecContext) {
		hands(`sed -i 's/name: web/name: Web/' "$1"`, "true")
		before := p.files()
		r := p.run(ctx, "edit")
		Expect(r.code).To(Equal(cli.ExitUsage))
		Expect(r.err).To(And(ContainSubstring("it was left with what is wrong in it: "), ContainSubstring(`services[0].name: "Web"`)))
		Expect(os.ReadFile(kept.FindStringSubmatch(r.err)[1])).To(ContainSubstring("name: Web"))
		Expect(p.files()).To(Equal(before))
	})

	It("gives up when the text with mistakes is emptied", func(ctx SpecContext) {
		hands(`sed -i 's/name: web/name: Web/' "$1"`, `: > "$1"`)
		Expect(p.must(ctx, "edit")).To(Equal("Edit cancelled, no changes made\n"))
		Expect(left()).To(BeEmpty())
	})

	It("does not rename a service", func(ctx SpecContext) {
		hands(`sed -i 's/name: web/name: web2/' "$1"`, `sed -i 's/name: web2/name: web/' "$1"`)
		Expect(p.must(ctx, "edit", "web")).To(Equal("Edit cancelled, no changes made\n"))
		Expect(shown(2)).To(ContainSubstring(`#! name: "web2" would be another service`))
	})

	It("takes a service down whose lines were deleted, but not many at once without being told", func(ctx SpecContext) {
		second := `awk '/^- /{n++} n<2 || /^version/' "$1" > "$1.new"; mv "$1.new" "$1"`
		hands(second, `printf 'version: 1\nservices: []\n' > "$1"`, `printf 'version: 1\nservices: []\n' > "$1"`)
		Expect(p.must(ctx, "edit")).To(ContainSubstring("- api: removed; hosts take it down"))
		Expect(current(ctx).Removed).To(HaveLen(1))
		p.must(ctx, "rollback")
		r := p.run(ctx, "edit")
		Expect(r.code).To(Equal(cli.ExitError))
		Expect(r.err).To(And(ContainSubstring("2 of 2 services"), ContainSubstring("--allow-mass-removal")))
		Expect(kept.FindStringSubmatch(r.err)).NotTo(BeNil())
		Expect(current(ctx).Services).To(HaveLen(2))
		p.must(ctx, "edit", "--allow-mass-removal")
		Expect(current(ctx).Services).To(BeEmpty())
		Expect(current(ctx).Removed).To(HaveLen(2))
	})

	It("does not take down what is protected, and keeps the text", func(ctx SpecContext) {
		p.must(ctx, "set", "web", "protect=true")
		hands(`printf 'version: 1\nservices:\n- {name: api, hosts: [biz]}\n' > "$1"`)
		r := p.run(ctx, "edit")
		Expect(r.code).To(Equal(cli.ExitError))
		Expect(r.err).To(ContainSubstring("web is protected"))
		Expect(os.ReadFile(kept.FindStringSubmatch(r.err)[1])).To(ContainSubstring("{name: api"))
	})

	// meanwhile is what somebody else does while the editor is open.
	meanwhile := func(ctx SpecContext, args ...string) string {
		bob := &person{home: p.home, store: p.store, clock: p.clock}
		trigger, done := filepath.Join(p.home, "trigger"), filepath.Join(p.home, "done")
		go func() {
			defer GinkgoRecover()
			Eventually(ctx, func() error { _, err := os.Stat(trigger); return err }).Should(Succeed())
			bob.must(ctx, args...)
			Expect(os.WriteFile(done, nil, 0o600)).To(Succeed())
		}()
		return "touch " + trigger + "; while ! [ -e " + done + " ]; do sleep 0.02; done; "
	}

	It("applies the edit to what somebody else wrote while the editor was open (F8)", func(ctx SpecContext) {
		hands(meanwhile(ctx, "update", "web", pathTwo) + `sed -i 's/www.example.com/www.example.org/' "$1"`)
		Expect(p.must(ctx, "edit", "web")).To(ContainSubstring("wrote generation 5"))
		web := current(ctx).Service("web")
		Expect(web.Artifact.StorePath).To(Equal(pathTwo))
		Expect(web.HTTP.Domain).To(Equal("www.example.org"))
	}, SpecTimeout(soonEnough))

	It("says what somebody else changed in another way, and keeps the text (F8)", func(ctx SpecContext) {
		hands(meanwhile(ctx, "set", "web", "http.domain=www.example.net") + `sed -i 's/www.example.com/www.example.org/' "$1"`)
		r := p.run(ctx, "edit")
		Expect(r.code).To(Equal(cli.ExitError))
		Expect(r.err).To(ContainSubstring("somebody else changed web.http.domain in another way while you edited, so nothing was written"))
		Expect(os.ReadFile(kept.FindStringSubmatch(r.err)[1])).To(ContainSubstring("www.example.org"))
		Expect(current(ctx).Service("web").HTTP.Domain).To(Equal("www.example.net"))
	}, SpecTimeout(soonEnough))

	It("opens again when what somebody else wrote makes the edit invalid (F8)", func(ctx SpecContext) {
		hands(meanwhile(ctx, "add-service", `{"name":"shop","hosts":["biz"],"http":{"domain":"www.example.org","internalPort":9000}}`)+
			`sed -i 's/www.example.com/www.example.org/' "$1"`, `sed -i 's/www.example.org/www.example.info/' "$1"`)
		p.must(ctx, "edit", "web")
		Expect(shown(2)).To(ContainSubstring("#! services[2].http.domain: www.example.org/ is already taken by service web"))
		Expect(current(ctx).Service("web").HTTP.Domain).To(Equal("www.example.info"))
		Expect(current(ctx).Service("shop")).NotTo(BeNil())
	}, SpecTimeout(soonEnough))

	It("goes on after Ctrl-C was pressed in the editor, which is for the editor", func(ctx SpecContext) {
		pressed, press := context.WithCancel(ctx)
		trigger := filepath.Join(p.home, "trigger")
		go func() {
			defer GinkgoRecover()
			Eventually(ctx, func() error { _, err := os.Stat(trigger); return err }).Should(Succeed())
			press()
			Expect(os.Remove(trigger)).To(Succeed())
		}()
		hands("touch " + trigger + "; while [ -e " + trigger + ` ]; do sleep 0.02; done; sed -i 's/www.example.com/www.example.org/' "$1"`)
		r := p.run(pressed, "edit", "web")
		Expect(r.code).To(Equal(cli.ExitOK), r.err)
		Expect(pressed.Err()).To(HaveOccurred())
		Expect(current(ctx).Service("web").HTTP.Domain).To(Equal("www.example.org"))
	}, SpecTimeout(soonEnough))

	It("says how an editor is named when there is none, and what one said that failed", func(ctx SpecContext) {
		GinkgoT().Setenv("EDITOR", "")
		GinkgoT().Setenv("PATH", p.home)
		Expect(p.refused(ctx, cli.ExitError, "edit")).To(And(ContainSubstring("name one in EDITOR"), ContainSubstring("deploy-manifest set")))
		Expect(os.WriteFile(filepath.Join(p.home, "nano"), []byte("#!/bin/sh\nexit 3\n"), 0o700)).To(Succeed())
		Expect(p.refused(ctx, cli.ExitError, "edit")).To(ContainSubstring("the editor (nano) failed: exit status 3"))
		Expect(left()).To(BeEmpty())
		Expect(p.refused(ctx, cli.ExitUsage, "edit", "wbe")).To(ContainSubstring("it has api, web"))
	})

	It("prefers VISUAL, takes options with it, and hides the text from others", func(ctx SpecContext) {
		hands(`stat -c %a "$1" > ` + p.home + `/mode`)
		GinkgoT().Setenv("VISUAL", os.Getenv("EDITOR")+" --option 'with blanks'")
		GinkgoT().Setenv("EDITOR", "false")
		p.must(ctx, "edit")
		Expect(os.ReadFile(filepath.Join(p.home, "mode"))).To(BeEquivalentTo("600\n"))
	})
})
