package statefile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/statefile"
)

func deployed(service string, n int) v1.Deployment {
	return v1.Deployment{Service: service, Generation: int64(n), Began: noon.Add(time.Duration(n) * time.Second), Outcome: v1.OutcomeRolling}
}

var _ = Describe("the deployments on disk", func() {
	var dir string
	var f *statefile.Files
	BeforeEach(func() {
		dir = GinkgoT().TempDir()
		f = open(dir)
	})
	again := func() {
		Expect(f.Close()).To(Succeed())
		f = open(dir)
	}

	It("are there after a restart of the daemon, and can be read by anybody, with and without one", func(ctx SpecContext) {
		defer syscall.Umask(syscall.Umask(0o077))
		Expect(f.SaveDeployment(ctx, deployed("web", 1))).To(Succeed())
		again()
		ended := deployed("web", 1)
		ended.Outcome = v1.OutcomeSettled
		Expect(f.SaveDeployment(ctx, ended)).To(Succeed())
		Expect(f.SaveDeployment(ctx, deployed("web", 2))).To(Succeed())
		Expect(f.Deployments(ctx, "web")).To(HaveExactElements(HaveField("Generation", int64(2)), HaveField("Outcome", v1.OutcomeSettled)))
		r := statefile.NewReader(providers.Paths{StateDir: dir})
		Expect(r.Deployments(ctx, "")).To(HaveLen(2))
		for name, mode := range map[string]os.FileMode{"deployments": 0o755 | os.ModeDir, "deployments/web.jsonl": 0o644} {
			info, err := os.Stat(filepath.Join(dir, name))
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode()).To(Equal(mode), name)
		}
	})

	It("lose at most the line that a power failure cut, and none that is written after it", func(ctx SpecContext) {
		Expect(f.SaveDeployment(ctx, deployed("web", 1))).To(Succeed())
		Expect(f.Close()).To(Succeed())
		torn, err := os.OpenFile(filepath.Join(dir, "deployments/web.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
		Expect(err).NotTo(HaveOccurred())
		_, err = torn.WriteString(`{"service":"web","generation":2,"beg`)
		Expect(err).NotTo(HaveOccurred())
		Expect(torn.Close()).To(Succeed())
		f = open(dir)
		for n := 3; n < 5; n++ {
			Expect(f.SaveDeployment(ctx, deployed("web", n))).To(Succeed())
		}
		Expect(f.Deployments(ctx, "web")).To(HaveExactElements(
			HaveField("Generation", int64(4)), HaveField("Generation", int64(3)), HaveField("Generation", int64(1))))
	})

	It("stay small however often one is told again", func(ctx SpecContext) {
		for n := range 1000 {
			Expect(f.SaveDeployment(ctx, deployed("web", n%70))).To(Succeed())
		}
		Expect(f.Deployments(ctx, "web")).To(HaveLen(statefile.KeptDeployments))
		data, err := os.ReadFile(filepath.Join(dir, "deployments/web.jsonl"))
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Count(string(data), "\n")).To(BeNumerically("<=", 2*statefile.KeptDeployments))
	})

	It("forget the names that were deployed longest ago, where there are very many", func(ctx SpecContext) {
		const most, more = 40, 20
		Expect(f.Close()).To(Succeed())
		f, err := statefile.Open(statefile.Options{Paths: providers.Paths{StateDir: dir}, Histories: most})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(f.Close)
		for n := range most + more {
			name := fmt.Sprintf("preview-%d", n)
			Expect(f.SaveDeployment(ctx, deployed(name, n))).To(Succeed())
			at := noon.Add(time.Duration(n) * time.Second)
			Expect(os.Chtimes(filepath.Join(dir, "deployments", name+".jsonl"), at, at)).To(Succeed())
		}
		Expect(len(names(filepath.Join(dir, "deployments")))).To(BeNumerically("~", most, most/8))
		Expect(f.Deployments(ctx, "preview-0")).To(BeEmpty())
		Expect(f.Deployments(ctx, fmt.Sprintf("preview-%d", more))).To(HaveLen(1))
	})

	It("take the place of whatever else is there", func(ctx SpecContext) {
		Expect(os.Symlink("/etc", filepath.Join(dir, "deployments"))).To(Succeed())
		Expect(f.SaveDeployment(ctx, deployed("web", 1))).To(Succeed())
		again()
		Expect(os.Remove(filepath.Join(dir, "deployments/web.jsonl"))).To(Succeed())
		Expect(os.MkdirAll(filepath.Join(dir, "deployments/web.jsonl/x"), 0o755)).To(Succeed())
		Expect(f.Deployments(ctx, "web")).To(BeEmpty())
		Expect(f.SaveDeployment(ctx, deployed("web", 2))).To(Succeed())
		Expect(f.Deployments(ctx, "web")).To(HaveLen(1))
	})

	It("have no file outside of their directory", func(ctx SpecContext) {
		for _, name := range []string{"", "../state", "a/b", ".web", "Web"} {
			Expect(f.SaveDeployment(ctx, deployed(name, 1))).NotTo(Succeed())
			if name != "" {
				Expect(f.Deployments(ctx, name)).To(BeEmpty())
			}
		}
		Expect(names(dir)).To(Equal([]string{"lock"}))
	})
})

var _ = Describe("the holds on disk", func() {
	hold := v1.Hold{Owner: "ann@biz", Reason: "load test", Forever: true}

	It("outlive state.json and the daemon, and can be read without one", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		f := open(dir)
		Expect(f.SaveState(ctx, state())).To(Succeed())
		Expect(f.SaveHold(ctx, "web", &hold)).To(Succeed())
		Expect(os.Remove(filepath.Join(dir, "state.json"))).To(Succeed())
		Expect(f.Close()).To(Succeed())
		Expect(open(dir).Holds(ctx)).To(HaveKeyWithValue("web", hold))
		Expect(statefile.NewReader(providers.Paths{StateDir: dir}).Holds(ctx)).To(HaveKeyWithValue("web", hold))
	})

	DescribeTable("that are damaged are moved aside, said to be lost, and can be set again",
		func(ctx SpecContext, content string) {
			dir := GinkgoT().TempDir()
			f := open(dir)
			put(dir, "holds.json", content)
			holds, err := f.Holds(ctx)
			Expect(err).To(And(MatchError(providers.ErrNotFound), MatchError(ContainSubstring("moved aside to holds.json.broken-"))))
			Expect(holds).To(BeEmpty())
			put(dir, "holds.json", content)
			Expect(f.SaveHold(ctx, "web", &hold)).To(Succeed())
			Expect(f.Holds(ctx)).To(HaveLen(1))
		},
		Entry(nil, ""), Entry(nil, "null"), Entry(nil, `{"web":{"forever":true},"api":3}`), Entry(nil, "\x00\x00"), Entry(nil, "[]"),
	)
})
