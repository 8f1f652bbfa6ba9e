package builder_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/builder"
)

func TestBuilder(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Builder")
}

const (
	web = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web"
	lib = "/nix/store/1123456789abcdfghijklmnpqrsvwxyz-lib"
)

var _ = Describe("A project's own builder", func() {
	var dir string
	BeforeEach(func() { dir = GinkgoT().TempDir() })
	script := func(text string) builder.Request {
		return builder.Target([]string{"sh", "-c", text, "sh", "{target}"}, "Biz/Web.py", dir)
	}

	It("gets the target, runs in its directory, and says the path in the last line that is one", func(ctx SpecContext) {
		r := script(`echo "building $1 in $PWD" >&2; echo ` + lib + `; echo "see ` + lib + `/bin"; printf '` + web + `'`)
		var lines []string
		r.Line = func(l string) { lines = append(lines, l) }
		Expect(builder.Build(ctx, r)).To(Equal(web))
		Expect(lines).To(ContainElements("building Biz/Web.py in "+dir, lib, web))
	})

	It("shows the end of both streams when it fails", func(ctx SpecContext) {
		_, err := builder.Build(ctx, script(`for i in $(seq 30); do echo line $i; done; printf 'progress 1\rprogress 2\n'; sleep 0.2; echo "no such module" >&2; exit 3`))
		var failed *builder.FailedError
		Expect(errors.As(err, &failed)).To(BeTrue())
		Expect(providers.ReasonOf(err)).To(Equal(builder.BuildFailed))
		Expect(err).To(MatchError(ContainSubstring("building Biz/Web.py: `sh -c ")))
		Expect(err).To(MatchError(ContainSubstring("exit status 3")))
		Expect(failed.Tail).To(HaveLen(20))
		Expect(failed.Tail).To(ContainElements("line 30", "progress 2", "no such module"))
	})

	It("is told when it went well and named no path", func(ctx SpecContext) {
		_, err := builder.Build(ctx, script("echo done: "+web))
		Expect(providers.ReasonOf(err)).To(Equal(builder.NoStorePath))
		Expect(err).To(MatchError(ContainSubstring("no line of its standard output is a store path")))
		var failed *builder.FailedError
		Expect(errors.As(err, &failed)).To(BeTrue())
		Expect(failed.Tail).To(Equal([]string{"done: " + web}))
	})

	DescribeTable("is missing, and is named", func(ctx SpecContext, program string) {
		_, err := builder.Build(ctx, builder.Target([]string{program, "{target}"}, "Biz/Web.py", dir))
		Expect(providers.ReasonOf(err)).To(Equal(builder.BuilderMissing))
		Expect(err).To(MatchError(ContainSubstring("there is no program " + program)))
	},
		Entry("from the path", "bild-that-nobody-has"),
		Entry("from its directory", "./bild"),
	)

	It("may lie beside push.yaml", func(ctx SpecContext) {
		Expect(os.WriteFile(filepath.Join(dir, "bild"), []byte("#!/bin/sh\necho "+web+"\n"), 0o755)).To(Succeed())
		Expect(builder.Build(ctx, builder.Target([]string{"./bild", "{target}"}, "x", dir))).To(Equal(web))
	})

	It("has not failed when a Ctrl-C ends it just before we hear of it", func(ctx SpecContext) {
		ours, interrupt := context.WithCancel(ctx)
		defer interrupt()
		time.AfterFunc(100*time.Millisecond, interrupt)
		_, err := builder.Build(ours, builder.Request{What: "web", Command: []string{"sh", "-c", "kill -INT $$"}})
		Expect(err).To(MatchError(context.Canceled))
	})

	It("ends with everything that it started when the person gives up", func(ctx SpecContext) {
		gone, cancel := context.WithCancel(ctx)
		file := filepath.Join(dir, "pids")
		r := script(`sleep 60 & echo $! >` + file + `; echo started; wait`)
		r.Line = func(string) { cancel() }
		began := time.Now()
		_, err := builder.Build(gone, r)
		Expect(err).To(MatchError(context.Canceled))
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
		text, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		var pid int
		_, err = fmt.Sscan(string(text), &pid)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() bool { return ended(pid) }).Should(BeTrue())
	})
})

// ended: gone, or dead and not yet buried, which in a container may be for ever.
func ended(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

var _ = Describe("What Nix prints", func() {
	DescribeTable("of a flake is the path of its output", func(stdout, want, says string) {
		got, err := builder.Flake(".#web", "").Read([]byte(stdout))
		Expect(got).To(Equal(want))
		if says != "" {
			Expect(err).To(MatchError(ContainSubstring(says)))
		}
	},
		Entry("one", `[{"drvPath":"/nix/store/x.drv","outputs":{"out":"`+web+`"}}]`, web, ""),
		Entry("out beside others", `[{"outputs":{"dev":"`+lib+`","out":"`+web+`"}}]`, web, ""),
		Entry("the only one, of another name", `[{"outputs":{"bin":"`+web+`"}}]`, web, ""),
		Entry("two flakes", `[{"outputs":{"out":"`+web+`"}},{"outputs":{"out":"`+lib+`"}}]`, "", "it made 2 store paths"),
		Entry("none", `[]`, "", "it made nothing"),
		Entry("something else", `hello`, "", "is not what `nix build --json` prints"),
	)

	DescribeTable("of a file is the one path", func(stdout, want, says string) {
		r := builder.File("./default.nix", "web", "")
		Expect(r.Command).To(Equal([]string{"nix-build", "--no-out-link", "./default.nix", "-A", "web"}))
		got, err := r.Read([]byte(stdout))
		Expect(got).To(Equal(want))
		if says != "" {
			Expect(err).To(MatchError(ContainSubstring(says)))
		}
	},
		Entry("one", web+"\n", web, ""),
		Entry("two", web+"\n"+lib+"\n", "", "it made 2 store paths"),
		Entry("none", "\n", "", "no store path"),
	)
})
