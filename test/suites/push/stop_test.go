package push_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/closure"
)

var _ = Describe("A push that is stopped", Ordered, func() {
	const name = "stopped"
	build := func(ctx SpecContext, release string) string {
		GinkgoHelper()
		return s.Build(ctx, s.Laptop, closure.Spec{Name: "stopped", Release: release, Blobs: 5, BlobSize: 400_000})
	}
	BeforeAll(func(ctx SpecContext) { s.AddForNow(ctx, elsewhere(name)) })

	It("by Ctrl-C or kill -9 at any moment leaves a manifest whose closures can be pulled, and the next push ends it", func(ctx SpecContext) {
		first := build(ctx, "r0")
		began := time.Now()
		s.OK(ctx, s.Laptop, "deploy-push", name, first)
		whole := time.Since(began)
		expectPullable(ctx, first)

		total, stopped, kept := rounds(), 0, 0
		GinkgoWriter.Printf("seed of the moments: %d\n", GinkgoRandomSeed())
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 0)) //nolint:gosec // any seed will do
		for round := range total {
			before := named(ctx, name)
			path := build(ctx, fmt.Sprintf("r%d", round+1))
			// Each round has its own part of the time that a push takes, and a random moment in it.
			after := time.Duration((float64(round) + random.Float64()) / float64(total) * float64(whole))
			signal := []string{"INT", "KILL"}[round%2]
			r := s.Run(ctx, s.Laptop, "timeout", "--preserve-status", "--signal="+signal, fmt.Sprintf("%.3f", after.Seconds()),
				"deploy-push", name, path)
			now := named(ctx, name)
			Expect(now).To(Or(Equal(before), Equal(path)))
			expectPullable(ctx, now)
			if r.Code == 0 {
				Expect(now).To(Equal(path))
			} else {
				stopped++
			}
			if signal == "INT" && r.Code != 0 {
				Expect(r.Code).To(Or(Equal(1), Equal(130)), "130: before it could catch the signal. %s", r)
				if r.Code == 1 {
					Expect(r.Err).To(Or(ContainSubstring("interrupted: the manifest is as it was"), ContainSubstring("interrupted while writing the manifest")), r.String())
					Expect(strings.Count(r.Err, "\n")).To(Equal(1), r.String())
				}
			}
			if now == before {
				kept++
			}
			s.OK(ctx, s.Laptop, "deploy-push", name, path)
			Expect(named(ctx, name)).To(Equal(path))
			expectPullable(ctx, path)
		}
		AddReportEntry("stopped pushes", fmt.Sprintf("%d of %d were stopped, %d before the manifest was written; a whole push takes %s",
			stopped, total, kept, whole.Round(time.Millisecond)), ReportEntryVisibilityFailureOrVerbose)
		Expect(kept).To(BeNumerically(">", 0), "the moments were too late to prove anything")
	})

	It("sends nothing again of what arrived", func(ctx SpecContext) {
		// One blob is large enough that the push is stopped while it is sent, or after.
		path := s.Build(ctx, s.Laptop, closure.Spec{Name: "stopped", Release: "large", Blobs: 3, BlobSize: 8 << 20})
		s.Run(ctx, s.Laptop, "timeout", "--signal=KILL", "0.6", "deploy-push", name, path)
		arrived := map[string]string{}
		list, err := store.List(ctx, "nar/")
		Expect(err).NotTo(HaveOccurred())
		for _, o := range list {
			arrived[o.Key] = o.ModifiedAt.String()
		}
		s.OK(ctx, s.Laptop, "deploy-push", name, path)
		list, err = store.List(ctx, "nar/")
		Expect(err).NotTo(HaveOccurred())
		for _, o := range list {
			if at, found := arrived[o.Key]; found && o.Size >= 256<<10 {
				Expect(o.ModifiedAt.String()).To(Equal(at), "%s was sent again", o.Key)
			}
		}
		expectPullable(ctx, path)
	})

	It("left no temporary files behind, however it was stopped", func(ctx SpecContext) {
		Expect(s.Shell(ctx, s.Laptop, "ls -d /tmp/deployer-* 2>/dev/null || true")).To(BeEmpty())
	})
})

var _ = Describe("Two pushers at once", Ordered, func() {
	names := []string{"left", "right"}
	BeforeAll(func(ctx SpecContext) {
		for _, name := range names {
			s.AddForNow(ctx, elsewhere(name))
		}
	})

	It("of two services lose no edit, and the history has each push exactly once", func(ctx SpecContext) {
		total := rounds()
		var paths [2][2]string
		for i, name := range names {
			for j := range 2 {
				paths[i][j] = s.Build(ctx, s.Laptop, closure.Spec{Name: name, Release: fmt.Sprintf("p%d", j)})
			}
		}
		begin := s.Manifest(ctx).Generation
		var script strings.Builder
		for i, name := range names {
			fmt.Fprintf(&script, "( for i in $(seq %d); do [ $((i %% 2)) = 0 ] && p=%s || p=%s; deploy-push %s $p --commit %s-$i -m \"round $i\" >>/tmp/%s.log 2>&1 || exit 1; done ) & pids=\"$pids $!\"\n",
				total, paths[i][0], paths[i][1], name, name, name)
		}
		script.WriteString("for p in $pids; do wait $p || exit 1; done\n")
		r := s.Run(ctx, s.Laptop, "bash", "-c", script.String())
		Expect(r.Code).To(Equal(0), s.Run(ctx, s.Laptop, "sh", "-c", "tail -n 3 /tmp/left.log /tmp/right.log").Out)
		Expect(s.Manifest(ctx).Generation).To(BeEquivalentTo(begin + int64(2*total)))
		for i, name := range names {
			Expect(named(ctx, name)).To(Equal(paths[i][total%2]))
			expectPullable(ctx, named(ctx, name))
		}
		expectHistory(ctx, begin, total, names)
	})
})

// expectHistory looks at every generation since one: each changes one service, once for
// each push.
func expectHistory(ctx SpecContext, begin int64, total int, names []string) {
	GinkgoHelper()
	versions := history(ctx)
	pushes := map[string]int{}
	for g := begin; g < begin+int64(2*total); g++ {
		before, after := versions[g], versions[g+1]
		Expect(before).NotTo(BeNil(), "generation %d is archived", g)
		Expect(after).NotTo(BeNil(), "generation %d is archived", g+1)
		Expect(after.Previous).To(Equal(before.Hash()))
		changed := 0
		for _, name := range names {
			was, is := before.Service(name).Commit, after.Service(name).Commit
			if was != is {
				changed++
				pushes[is]++
				Expect(after.Message).To(Equal("round " + strings.TrimPrefix(is, name+"-")))
			}
		}
		Expect(changed).To(Equal(1), "generation %d", g+1)
	}
	Expect(pushes).To(HaveLen(2 * total))
	for _, name := range names {
		for i := range total {
			Expect(pushes).To(HaveKeyWithValue(fmt.Sprintf("%s-%d", name, i+1), 1))
		}
	}
}
