package nix_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

// runner is a function that is a Runner.
type runner func(c nix.Command) (nix.Result, error)

func (r runner) Run(_ context.Context, c nix.Command) (nix.Result, error) { return r(c) }

var _ = Describe("The room for a pull", func() {
	const (
		mega = 1_000_000
		giga = 1000 * mega
	)
	var (
		db      *database
		space   nix.Space
		asked   []string
		pulled  bool
		realise func() (nix.Result, error)
		manager *nix.Manager
		web     = storePathOf(1, "web")
		lib     = storePathOf(2, "lib")
	)
	BeforeEach(func(ctx SpecContext) {
		store := fake.New().Store()
		secret, public, err := nix.GenerateKey("ours-1")
		Expect(err).NotTo(HaveOccurred())
		for path, data := range map[string][]byte{
			web: narinfoOf(secret, web, 1*giga, lib), lib: narinfoOf(secret, lib, 200*mega),
		} {
			_, err := store.Put(ctx, narinfoKey(path), bytes.NewReader(data), providers.PutOptions{})
			Expect(err).NotTo(HaveOccurred())
		}
		db = &database{root: GinkgoT().TempDir(), refs: map[string][]string{}}
		db.touch()
		space, asked, pulled = nix.Space{Free: 100 * giga, Total: 100 * giga, Files: -1}, nil, false
		realise = func() (nix.Result, error) {
			pulled = true
			db.register(web, lib)
			db.register(lib)
			return nix.Result{}, nil
		}
		manager, err = nix.New(nix.Options{
			Paths:             providers.Paths{StateDir: GinkgoT().TempDir(), RootsDir: filepath.Join(GinkgoT().TempDir(), "biz")},
			Objects:           store,
			TrustedPublicKeys: []string{public},
			DiskRoot:          db.root,
			Queries:           db,
			Space: func(dir string) (nix.Space, bool) {
				asked = append(asked, dir)
				return space, true
			},
			Runner: runner(func(c nix.Command) (nix.Result, error) {
				if slices.Contains(c.Args, "--realise") {
					return realise()
				}
				return nix.Result{}, errors.New("what is " + c.Name + "?")
			}),
		})
		Expect(err).NotTo(HaveOccurred())
	})
	refused := func(ctx context.Context) string {
		GinkgoHelper()
		err := manager.Pull(ctx, web)
		Expect(providers.ReasonOf(err)).To(Equal(nix.DiskFull))
		var fault *providers.Fault
		Expect(errors.As(err, &fault)).To(BeTrue())
		Expect(fault.Own).To(BeFalse(), "a full disk is never the release's fault")
		return fault.Message
	}

	It("is there, and nobody is told anything", func(ctx SpecContext) {
		Expect(manager.Pull(ctx, web)).To(Succeed())
		Expect(pulled).To(BeTrue())
		Expect(asked).To(Equal([]string{db.root + "/nix/store/"}))
	})

	It("is not there: says what it needs, what is free and what is missing, and fetches nothing", func(ctx SpecContext) {
		space = nix.Space{Free: 568_435_456, Total: 100 * giga, Files: -1}
		Expect(refused(ctx)).To(Equal("pulling " + web + " needs 1.2 GB in /nix/store/, and 568.4 MB are free, " +
			"of which 268.4 MB are to stay so for the rest of the host: 900.0 MB (900000000 bytes) are missing; " +
			"free some space, for example with `nix-collect-garbage`"))
		Expect(pulled).To(BeFalse())
		space.Free += 900_000_000
		Expect(manager.Pull(ctx, web)).To(Succeed())
	})

	It("leaves 5 % of a small disk free", func(ctx SpecContext) {
		space = nix.Space{Free: 1250*mega - 1, Total: giga, Files: -1}
		Expect(refused(ctx)).To(ContainSubstring("of which 50.0 MB are to stay so for the rest of the host: 1 B (1 bytes) are missing"))
		space.Free++
		Expect(manager.Pull(ctx, web)).To(Succeed())
	})

	It("counts only what is not here: also what nobody rooted may be", func(ctx SpecContext) {
		space = nix.Space{Free: 1100 * mega, Total: giga, Files: -1}
		Expect(refused(ctx)).To(ContainSubstring("needs 1.2 GB"))
		db.register(lib)
		Expect(manager.Pull(ctx, web)).To(Succeed())
	})

	It("gets lost while it fetches: says what is still missing, without what has come", func(ctx SpecContext) {
		realise = func() (nix.Result, error) {
			db.register(lib)
			space.Free = 300 * mega
			said := "error: writing to file: No space left on device\n"
			return nix.Result{Stderr: said}, &nix.ExitError{Command: "nix-store", Stderr: said}
		}
		space = nix.Space{Free: 2 * giga, Total: 4 * giga, Files: -1}
		Expect(refused(ctx)).To(ContainSubstring("needs 1.0 GB in /nix/store/, and 300.0 MB are free, " +
			"of which 200.0 MB are to stay so for the rest of the host: 900.0 MB (900000000 bytes) are missing"))
		Expect(manager.Pull(ctx, web)).To(MatchError(ContainSubstring("of which")))
	})

	It("was lost for a moment only, and is said to be back", func(ctx SpecContext) {
		realise = func() (nix.Result, error) {
			said := "error: writing to file: No space left on device\n"
			return nix.Result{Stderr: said}, &nix.ExitError{Command: "nix-store", Stderr: said}
		}
		err := manager.Pull(ctx, web)
		Expect(providers.ReasonOf(err)).To(Equal(nix.DiskFull))
		Expect(err).To(MatchError(And(ContainSubstring("was full for a moment"), ContainSubstring("nix says: error: writing to file"))))
	})

	It("is not there when the disk takes no more files, however many bytes are free", func(ctx SpecContext) {
		space.Files = 0
		Expect(refused(ctx)).To(ContainSubstring("no inodes left"))
		Expect(pulled).To(BeFalse())
	})
})
