package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

var _ = Describe("The display", func() {
	const mib = 1 << 20
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	half := providers.PublishProgress{Paths: 203, PathsDone: 92, Size: 500 * mib, SizeDone: 250 * mib, Sent: 31 * mib}

	It("tells paths, bytes, rate and what is left", func() {
		var r rate
		r.add(now, providers.PublishProgress{})
		r.add(now.Add(2*time.Second), half)
		Expect(bar(half)).To(Equal("[============            ]"))
		Expect(uploadText(half, r)).To(Equal(" 50%  92 of 203 paths, 31.0 MiB sent, 15.5 MiB/s, 2s left"))
		Expect(uploadText(half, rate{})).To(Equal(" 50%  92 of 203 paths, 31.0 MiB sent"))
		Expect(uploadText(providers.PublishProgress{Paths: 1}, rate{})).To(HavePrefix("100%"))
	})

	It("takes the rate over the last seconds only", func() {
		var r rate
		for i := range 100 {
			p := providers.PublishProgress{Sent: int64(min(i, 90)) * mib}
			r.add(now.Add(time.Duration(i)*time.Second), p)
		}
		sent, _ := r.perSecond()
		Expect(sent).To(BeZero())
		Expect(len(r.samples)).To(BeNumerically("<", 10))
	})

	It("writes a line now and then where none can move, and nothing about what is quick", func() {
		var out bytes.Buffer
		d := &display{lines: &out, every: 15 * time.Second}
		d.line("uploading 203 of 203 paths")
		began := time.Now()
		for i := range 400 {
			d.uploading(half)
			d.tick(began.Add(time.Duration(i) * redraw))
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		Expect(lines).To(HaveLen(3), "what was told at once, and at 15 and 30 of 40 seconds")
		Expect(lines[1]).To(HavePrefix(" 50%  92 of 203 paths"))
		half.PathsDone = half.Paths
		d.uploading(half)
		d.tick(began.Add(50 * time.Second))
		d.busy("building web")
		d.builder("compiling")
		d.tick(time.Now().Add(20 * time.Second))
		lines = strings.Split(strings.TrimSpace(out.String()), "\n")
		Expect(lines[3:]).To(Equal([]string{"reading back  50s", "building web  20s"}))
	})

	It("keeps what a builder prints from moving the cursor", func() {
		Expect(printable("\x1b[1;32m[3/7]\x1b[0m compiling\tWeb.hs \x07\x1b[?25l")).To(Equal("[3/7] compiling Web.hs "))
		Expect(cut("größere Zeile", 7)).To(Equal("größer…"))
	})

	It("ends twice without harm, and not before it has begun", func() {
		d := newDisplay(&bytes.Buffer{})
		d.end()
		d.start()
		d.end()
		d.end()
	})
})

var _ = Describe("The commit", func() {
	git := func(dir string, args ...string) string {
		GinkgoHelper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		return strings.TrimSpace(string(out))
	}
	It("is git's HEAD, dirty when a file changed that git knows, and empty elsewhere", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		Expect(commitOf(ctx, dir)).To(BeEmpty())
		git(dir, "init", "-q")
		Expect(commitOf(ctx, dir)).To(BeEmpty(), "there is no commit yet")
		file := filepath.Join(dir, "a")
		Expect(os.WriteFile(file, []byte("1"), 0o644)).To(Succeed())
		git(dir, "add", "a")
		git(dir, "commit", "-q", "-m", "one")
		head := git(dir, "rev-parse", "HEAD")
		Expect(commitOf(ctx, dir)).To(Equal(head))
		Expect(os.WriteFile(filepath.Join(dir, "untracked"), nil, 0o644)).To(Succeed())
		Expect(commitOf(ctx, dir)).To(Equal(head))
		Expect(os.WriteFile(file, []byte("2"), 0o644)).To(Succeed())
		dirty := commitOf(ctx, dir)
		Expect(dirty).To(Equal(head + "-dirty"))
		s := v1.Service{Name: "web", Hosts: []string{"biz"}, Commit: dirty}
		Expect(s.Validate(nil)).To(BeEmpty())
	})
})

var _ = Describe("The commit that is written", func() {
	It("is the first one that led to a path, unless somebody says another", func() {
		s := &v1.Service{Name: "web", Commit: "first", Artifact: &v1.Artifact{StorePath: "/nix/store/a"}}
		u := &updater{job: &job{options: options{commit: "second"}}}
		Expect(u.commitFor(s, "/nix/store/a")).To(Equal("first"))
		Expect(u.commitFor(s, "/nix/store/b")).To(Equal("second"))
		u.saysCommit = true
		Expect(u.commitFor(s, "/nix/store/a")).To(Equal("second"))
		Expect(u.commitFor(&v1.Service{Name: "web"}, "/nix/store/a")).To(Equal("second"))
	})
})

var _ = Describe("A hold", func() {
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	It("is in force until it lapses", func() {
		later, earlier := now.Add(time.Hour), now.Add(-time.Hour)
		Expect(holds(nil, now)).To(BeFalse())
		Expect(holds(&v1.Hold{Forever: true}, now)).To(BeTrue())
		Expect(holds(&v1.Hold{Until: &later}, now)).To(BeTrue())
		Expect(holds(&v1.Hold{Until: &earlier}, now)).To(BeFalse())
		err := held("web", &v1.Hold{Owner: "ann", Reason: "load test", Until: &later})
		Expect(err).To(MatchError(And(HavePrefix("web is held by ann until 2026-11-25 11:00 UTC (load test)"), ContainSubstring("`deploy-manifest unhold web`"), ContainSubstring("--despite-hold"))))
	})
})
