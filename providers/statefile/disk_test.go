package statefile_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/test/env"
)

var _ = Describe("a full disk", func() {
	It("survives F23: leaves every file as it was, says so, and goes on", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
			env.Lacks(GinkgoT(), "root, to mount a small file system: %v", err)
		}
		DeferCleanup(syscall.Unmount, dir, 0)
		f := open(dir)
		Expect(f.SaveState(ctx, state())).To(Succeed())
		Expect(f.Record(ctx, v1.Event{Service: "web", Reason: "Started"})).To(Succeed())
		Expect(f.RaiseFloor(ctx, providers.Floor{Lineage: "abc", Generation: 1})).To(Succeed())

		big := state()
		big.Daemon = strings.Repeat("x", 200<<10)
		Expect(f.SaveState(ctx, big)).To(MatchError(providers.ErrUnavailable))
		fill, err := os.Create(filepath.Join(dir, "fill"))
		Expect(err).NotTo(HaveOccurred())
		_, err = fill.Write(make([]byte, 1<<20))
		Expect(err).To(MatchError(syscall.ENOSPC))
		Expect(fill.Close()).To(Succeed())
		Expect(f.Record(ctx, v1.Event{Service: "web", Reason: "Told", Message: strings.Repeat("x", 8<<10)})).To(MatchError(providers.ErrUnavailable))
		Expect(f.RaiseFloor(ctx, providers.Floor{Lineage: "abc", Generation: 2})).To(MatchError(providers.ErrUnavailable))

		Expect(f.LoadState(ctx)).To(HaveField("ObservedGeneration", int64(41)))
		Expect(f.Events(ctx, "")).To(HaveLen(1))
		Expect(f.Floor(ctx)).To(HaveField("Generation", int64(1)))
		Expect(os.Remove(filepath.Join(dir, "fill"))).To(Succeed())
		Expect(f.Record(ctx, v1.Event{Service: "web", Reason: "Stopped"})).To(Succeed())
		Expect(f.Events(ctx, "")).To(HaveLen(2))
		Expect(f.RaiseFloor(ctx, providers.Floor{Lineage: "abc", Generation: 2})).To(Succeed())
		Expect(names(dir)).To(Equal([]string{"events.jsonl", "floor.json", "lock", "state.json"}))
	})
})
