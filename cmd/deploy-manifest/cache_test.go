package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/cmd/internal/cli"
	"deployer/controllers/cache"
)

// storePath has a hash of its own, other than pathOne and pathTwo.
func storePath(n int, name string) string {
	return fmt.Sprintf("/nix/store/%032d-%s", n, name)
}

// narinfoOf is what a cache has of a path, as Nix writes it.
func narinfoOf(storePath string, refs ...string) map[string]string {
	const hash = "1impfw8zdgisxkghq9a3q7cn7jb9zyzgxdydiamp8z2nlyyl0h5h"
	base := path.Base(storePath)
	content := "nar/" + base[:32] + ".nar.zst"
	text := fmt.Sprintf("StorePath: %s\nURL: %s\nCompression: zstd\nFileHash: sha256:%s\nFileSize: 4\nNarHash: sha256:%s\nNarSize: 200\nReferences: %s\n",
		storePath, content, hash, hash, strings.Join(append([]string{base}, refs...), " "))
	return map[string]string{content: strings.Repeat("x", 3000), base[:32] + ".narinfo": text}
}

// upload writes a path into the cache of the person's store.
func (p *person) upload(storePath string, refs ...string) {
	GinkgoHelper()
	for key, content := range narinfoOf(storePath, refs...) {
		p.write("store/"+key, content)
	}
}

func (p *person) has(storePath string) bool {
	_, err := os.Stat(filepath.Join(p.home, "store", path.Base(storePath)[:32]+".narinfo"))
	return err == nil
}

var _ = Describe("deploy-manifest cache gc", func() {
	var p *person
	web := func(n int) string { return storePath(n, fmt.Sprintf("web-%d", n)) }
	lib := storePath(99, "lib")
	// web-1, web-2 and web-3 were deployed one after the other, and all need lib.
	BeforeEach(func(ctx SpecContext) {
		p = newPerson()
		p.clock = time.Date(2020, 1, 1, 3, 30, 0, 0, time.UTC) // the store's own is that of the test
		p.must(ctx, "init")
		p.must(ctx, "add-service", `{"name":"web","hosts":["biz"]}`)
		p.upload(lib)
		for n := 1; n <= 3; n++ {
			p.upload(web(n), path.Base(lib))
			p.must(ctx, "update", "web", web(n))
		}
		p.transcript.Reset()
	})
	now := []string{"cache", "gc", "--keep", "1", "--older-than", "0s", "--grace", "0s"}

	It("lists, waits, and deletes what is outside the bounds", func(ctx SpecContext) {
		out := p.must(ctx, "cache", "gc", "--keep", "1", "--older-than", "0s")
		Expect(out).To(And(ContainSubstring("for 2 versions of the manifest; no host reports"), ContainSubstring("waiting: 1 path, ")))
		Expect(p.has(web(1))).To(BeTrue())
		Expect(p.must(ctx, append(now, "--dry-run")...)).To(ContainSubstring("would delete 1 path, "))
		Expect(p.has(web(1))).To(BeTrue())
		Expect(p.must(ctx, now...)).To(And(ContainSubstring("deleted 1 path, "), ContainSubstring(web(1))))
		Expect(p.has(web(1))).To(BeFalse())
		for _, kept := range []string{web(2), web(3), lib} {
			Expect(p.has(kept)).To(BeTrue())
		}
		Expect(p.must(ctx, now...)).To(HaveSuffix("nothing to delete\n"))
	})

	It("keeps by age what is outside the number, and prints data", func(ctx SpecContext) {
		var r cache.Report
		Expect(json.Unmarshal([]byte(p.must(ctx, "cache", "gc", "--keep", "0", "--older-than", "5000w", "--grace", "0s", "-o", "json")), &r)).To(Succeed())
		Expect(r.Deleted).To(BeEmpty())
		Expect(r.Manifests).To(Equal(5))
		Expect(r.KeptPaths).To(Equal(4))
		Expect(json.Unmarshal([]byte(p.must(ctx, "cache", "gc", "--keep", "0", "--older-than", "0s", "--grace", "0s", "-o", "json")), &r)).To(Succeed())
		Expect(r.Deleted).To(HaveLen(4))
	})

	It("is seen word for word", func(ctx SpecContext) {
		p.run(ctx, "cache", "gc", "--keep", "1", "--older-than", "0s")
		p.write("store/nar/leftover.nar.zst", "x")
		p.run(ctx, append(now, "--dry-run")...)
		p.run(ctx, now...)
		p.run(ctx, now...)
		p.run(ctx, "rollback", "3", "--dry-run")
		p.write("store/gc/claims/push-x.json", `{"by":"bob@laptop","what":"pushing web","since":"2026-12-16T03:30:00Z"}`)
		p.run(ctx, "cache", "gc", "--keep", "0", "--older-than", "0s", "--grace", "0s")
		p.write("store/status/biz.json", "<html>")
		p.run(ctx, now...)
		p.run(ctx, "cache", "gc", "--keep", "-1")
		p.run(ctx, "cache", "gc", "--grace", "soon")
		p.expectGolden("cache")
	})

	It("keeps what a host reports, and does nothing while a report cannot be read", func(ctx SpecContext) {
		p.write("store/status/biz.json", `{"apiVersion":"deployer/v1","kind":"HostState","host":"biz","services":[{"name":"web","serving":{"storePath":"`+web(1)+`"}}]}`)
		Expect(p.must(ctx, now...)).To(And(ContainSubstring("and the host biz\n"), HaveSuffix("nothing to delete\n")))
		p.write("store/status/biz.json", `{"apiVersion"`)
		Expect(p.refused(ctx, cli.ExitUnknown, now...)).To(ContainSubstring("the report of biz cannot be read"))
		p.must(ctx, append(now, "--ignore-report", "biz")...)
		Expect(p.has(web(1))).To(BeFalse())
	})

	It("deletes nothing while somebody relies on the cache, and says so by its exit code", func(ctx SpecContext) {
		claim := p.write("store/gc/claims/push-x.json", `{"by":"bob@laptop","what":"pushing web"}`)
		r := p.run(ctx, now...)
		Expect(r.code).To(Equal(cli.ExitDifferent))
		Expect(r.err).To(And(ContainSubstring("in use by bob@laptop (pushing web"), ContainSubstring("nothing was deleted")))
		Expect(p.has(web(1))).To(BeTrue())
		Expect(os.Remove(claim)).To(Succeed())
		p.must(ctx, now...)
		Expect(p.has(web(1))).To(BeFalse())
	})

	It("is waited for by a write that names another release, and by no other write", func(ctx SpecContext) {
		claim := p.write("store/gc/claims/collect-x.json", `{"by":"bob@laptop","what":"collecting"}`)
		p.must(ctx, "set", "web", "protect=true")
		done := make(chan result)
		go func() {
			defer GinkgoRecover()
			done <- p.run(ctx, "update", "web", web(1))
		}()
		Consistently(done, "200ms").ShouldNot(Receive())
		Expect(os.Remove(claim)).To(Succeed())
		var r result
		Eventually(done).WithTimeout(20 * time.Second).Should(Receive(&r))
		Expect(r.code).To(Equal(cli.ExitOK))
		Expect(r.err).To(HavePrefix("waiting for the end of a collection of the cache by bob@laptop (collecting, since "))
		for file := range p.files() {
			Expect(file).NotTo(ContainSubstring("claims"))
		}
	}, SpecTimeout(soonEnough))

	It("is told of by a rollback to what it deleted, and by no other", func(ctx SpecContext) {
		p.must(ctx, now...)
		Expect(p.must(ctx, "rollback", "--service", "web")).To(ContainSubstring(web(2)))
		for _, more := range [][]string{{"--dry-run"}, {}} {
			r := p.run(ctx, append([]string{"rollback", "3", "--service", "web"}, more...)...)
			Expect(r.code).To(Equal(cli.ExitOK))
			Expect(r.err).To(Equal("warning: the cache has no " + web(1) + " any more: hosts without it keep what runs, until you push it again\n"))
		}
	})

	DescribeTable("reads spans of time as people write them", func(text string, want time.Duration, shown string) {
		var a age
		Expect(a.Set(text)).To(Succeed())
		Expect(time.Duration(a)).To(Equal(want))
		Expect(a.String()).To(Equal(shown))
	},
		Entry(nil, "14d", 14*24*time.Hour, "14d"),
		Entry(nil, "2w", 14*24*time.Hour, "14d"),
		Entry(nil, "36h", 36*time.Hour, "36h0m0s"),
		Entry(nil, "0s", time.Duration(0), "0s"),
	)

	DescribeTable("refuses what is no span of time", func(text string) {
		var a age
		Expect(a.Set(text)).To(MatchError(ContainSubstring("write 14d, 2w or 36h")))
	},
		Entry(nil, ""), Entry(nil, "14"), Entry(nil, "d"), Entry(nil, "-1d"), Entry(nil, "-1h"), Entry(nil, "1dd"), Entry(nil, "65535w"), Entry(nil, "1.5d"),
	)
})
