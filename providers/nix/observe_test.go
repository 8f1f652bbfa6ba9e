package nix_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

// database answers the question of Observe as Nix does, for a disk below a directory.
type database struct {
	root string
	mu   sync.Mutex
	refs map[string][]string
	// hashes of paths; a path without one has some hash.
	hashes map[string][]byte
	runs   int
	// say replaces the answer when it is set.
	say func() (nix.Result, error)
}

func (d *database) Run(_ context.Context, c nix.Command) (nix.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs++
	if d.say != nil {
		return d.say()
	}
	var invalid, dump strings.Builder
	done := map[string]bool{}
	var add func(p string)
	add = func(p string) {
		if done[p] {
			return
		}
		done[p] = true
		hash := d.hashes[p]
		if hash == nil {
			hash = make([]byte, 32)
		}
		fmt.Fprintf(&dump, "%s\n%x\n120\n\n%d\n", p, hash, len(d.refs[p]))
		for _, r := range d.refs[p] {
			fmt.Fprintln(&dump, r)
		}
		for _, r := range d.refs[p] {
			add(r)
		}
	}
	for _, p := range c.Args[3:] {
		if _, valid := d.refs[p]; valid {
			add(p)
		} else {
			fmt.Fprintln(&invalid, p)
		}
	}
	return nix.Result{Stdout: invalid.String() + "\n==\n" + dump.String()}, nil
}

// register makes a path valid and puts it on the disk, as a pull does.
func (d *database) register(storePath string, refs ...string) {
	GinkgoHelper()
	d.refs[storePath] = refs
	Expect(os.MkdirAll(d.root+storePath, 0o755)).To(Succeed())
	d.touch()
}

// touch is a write of the database.
func (d *database) touch() {
	GinkgoHelper()
	dir := filepath.Join(d.root, "nix/var/nix/db")
	Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
	f, err := os.OpenFile(filepath.Join(dir, "db.sqlite"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	Expect(err).NotTo(HaveOccurred())
	_, err = f.WriteString("x")
	Expect(err).NotTo(HaveOccurred())
	Expect(f.Close()).To(Succeed())
}

func pathOf(name string) string { return "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-" + name }

var _ = Describe("Observe", func() {
	var (
		db      *database
		now     time.Time
		manager *nix.Manager
	)
	BeforeEach(func() {
		now = time.Now()
		db = &database{root: GinkgoT().TempDir(), refs: map[string][]string{}}
		db.touch()
		var err error
		manager, err = nix.New(nix.Options{
			Paths:    providers.Paths{StateDir: GinkgoT().TempDir(), RootsDir: filepath.Join(GinkgoT().TempDir(), "biz")},
			Objects:  fake.New().Store(),
			Runner:   db,
			Queries:  db,
			DiskRoot: db.root,
			Now:      func() time.Time { return now },
		})
		Expect(err).NotTo(HaveOccurred())
	})
	look := func(ctx SpecContext, p string) providers.ClosureFacts {
		GinkgoHelper()
		facts, err := manager.Observe(ctx, p)
		Expect(err).NotTo(HaveOccurred())
		return facts[p]
	}

	It("runs one process for a thousand services, and none while nobody writes the database", func(ctx SpecContext) {
		db.register(pathOf("libc"))
		for i := range 1000 {
			p := pathOf(fmt.Sprintf("web-%d", i))
			db.register(p, pathOf("libc"))
			Expect(manager.Root(ctx, fmt.Sprintf("web-%d", i), p)).To(Succeed())
		}
		for range 3 {
			for i := range 1000 {
				Expect(look(ctx, pathOf(fmt.Sprintf("web-%d", i))).OnDisk).To(BeTrue())
			}
		}
		Expect(db.runs).To(Equal(1))
		now = now.Add(11 * time.Minute)
		look(ctx, pathOf("web-1"))
		Expect(db.runs).To(Equal(2), "what was read is not believed for ever")
	})

	It("reads again when somebody wrote the database", func(ctx SpecContext) {
		Expect(look(ctx, pathOf("web"))).To(BeZero())
		db.register(pathOf("web"))
		Expect(look(ctx, pathOf("web")).Valid).To(BeTrue())
		delete(db.refs, pathOf("web"))
		db.touch()
		Expect(look(ctx, pathOf("web"))).To(Equal(providers.ClosureFacts{OnDisk: true}))
	})

	It("sees at once that the path is gone, and within 30 s that something it needs is", func(ctx SpecContext) {
		db.register(pathOf("libc"))
		db.register(pathOf("web"), pathOf("libc"), pathOf("web"))
		Expect(look(ctx, pathOf("web")).OnDisk).To(BeTrue())
		Expect(os.Remove(db.root + pathOf("libc"))).To(Succeed())
		now = now.Add(31 * time.Second)
		Expect(look(ctx, pathOf("web")).OnDisk).To(BeFalse())
		db.register(pathOf("libc"))
		Expect(look(ctx, pathOf("web")).OnDisk).To(BeTrue())
		Expect(os.Remove(db.root + pathOf("web"))).To(Succeed())
		Expect(look(ctx, pathOf("web"))).To(And(HaveField("Valid", true), HaveField("OnDisk", false)))
	})

	DescribeTable("takes no answer for an answer",
		func(ctx SpecContext, stdout string, failure error, reason string) {
			db.register(pathOf("web"))
			Expect(look(ctx, pathOf("web")).Valid).To(BeTrue())
			db.say = func() (nix.Result, error) {
				return nix.Result{Stdout: stdout, Stderr: "error: database is busy"}, failure
			}
			db.touch()
			_, err := manager.Observe(ctx, pathOf("web"))
			Expect(err).To(MatchError(providers.ErrUnavailable))
			Expect(providers.ReasonOf(err)).To(Equal(reason))
			db.say = nil
			Expect(look(ctx, pathOf("web")).Valid).To(BeTrue())
		},
		Entry("nothing", "", nil, nix.NixUnavailable),
		Entry("neither valid nor invalid", "\n==\n", nil, nix.NixUnavailable),
		Entry("half a record", "\n==\n"+pathOf("web")+"\nabcd\n", nil, nix.NixUnavailable),
		Entry("a record with missing references", "\n==\n"+pathOf("web")+"\nabcd\n1\n\n3\n", nil, nix.NixUnavailable),
		Entry("a failure", "", &nix.ExitError{Command: "sh", Stderr: "error: database is busy"}, nix.NixUnavailable),
		Entry("a deadline", "", context.DeadlineExceeded, nix.NixUnavailable),
		Entry("no Nix", "", nix.ErrNoNix, nix.NixUnavailable),
	)

	It("refuses what is not a store path before it gets near a command line", func(ctx SpecContext) {
		for _, bad := range []string{"", "--option", "/etc/passwd", pathOf("web") + "/bin/web", pathOf("a;b"), pathOf("a b"), "/nix/store/placeholder"} {
			_, err := manager.Observe(ctx, bad)
			Expect(err).To(HaveOccurred(), bad)
			Expect(manager.Pull(ctx, bad)).NotTo(Succeed(), bad)
		}
		Expect(db.runs).To(BeZero())
	})
})
