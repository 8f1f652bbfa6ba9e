package statefile_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/statefile"
	"deployer/test/env"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func open(dir string) *statefile.Files {
	GinkgoHelper()
	f, err := statefile.Open(statefile.Options{Paths: providers.Paths{StateDir: dir}, Now: func() time.Time { return noon }})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = f.Close() })
	return f
}

func state() v1.HostState {
	return v1.HostState{
		APIVersion: v1.APIVersion, Kind: v1.KindHostState, Host: "biz", Lineage: "abc", ObservedGeneration: 41, UpdatedAt: noon,
		Services: []v1.ServiceState{{Name: "web", State: v1.Settled, Slots: map[v1.Slot]v1.SlotState{v1.Primary: {Unit: "web.service"}}}},
	}
}

func put(dir, name, content string) {
	GinkgoHelper()
	Expect(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644)).To(Succeed())
}

func names(dir string) []string {
	GinkgoHelper()
	entries, err := os.ReadDir(dir)
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

var _ = Describe("the conformance of the state files", func() {
	conformance.States(func() providers.States { return open(GinkgoT().TempDir()) })
	conformance.History(func() providers.History { return open(GinkgoT().TempDir()) })
	conformance.Holds(func() providers.Holds { return open(GinkgoT().TempDir()) })
})

var _ = Describe("state files", func() {
	var dir string
	var f *statefile.Files
	BeforeEach(func() {
		dir = GinkgoT().TempDir()
		f = open(dir)
	})

	It("lets everybody read state.json and only root the manifest", func(ctx SpecContext) {
		defer syscall.Umask(syscall.Umask(0o077))
		Expect(f.SaveState(ctx, state())).To(Succeed())
		Expect(f.SaveManifest(ctx, []byte("{}"))).To(Succeed())
		for name, mode := range map[string]os.FileMode{"state.json": 0o644, "manifest.json": 0o600} {
			info, err := os.Stat(filepath.Join(dir, name))
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode()).To(Equal(mode), name)
		}
	})

	It("survives F25: says to a second daemon who has the directory", func() {
		_, err := statefile.Open(statefile.Options{Paths: providers.Paths{StateDir: dir}})
		Expect(providers.ReasonOf(err)).To(Equal("AlreadyRunning"))
		Expect(err).To(MatchError(ContainSubstring(fmt.Sprintf("pid %d", os.Getpid()))))
		Expect(f.Close()).To(Succeed())
		f = open(dir)
	})

	It("does not hand the lock to the processes that it starts", func() {
		child := exec.Command("sleep", "60")
		Expect(child.Start()).To(Succeed())
		DeferCleanup(func() {
			_ = child.Process.Kill()
			_ = child.Wait()
		})
		Expect(f.Close()).To(Succeed())
		f = open(dir)
	})

	It("lets people read with and without a daemon, and changes nothing then", func(ctx SpecContext) {
		r := statefile.NewReader(providers.Paths{StateDir: dir})
		_, err := r.LoadState(ctx)
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(f.SaveState(ctx, state())).To(Succeed())
		Expect(f.Record(ctx, v1.Event{Service: "web", Reason: "Started"})).To(Succeed())
		Expect(r.LoadState(ctx)).To(HaveField("ObservedGeneration", int64(41)))
		Expect(r.Events(ctx, "web")).To(HaveLen(1))
		Expect(f.Close()).To(Succeed())

		put(dir, "state.json", "{")
		before := names(dir)
		_, err = r.LoadState(ctx)
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(providers.ErrNotFound))
		Expect(names(dir)).To(Equal(before))
	})

	It("reads the state of a newer version", func(ctx SpecContext) {
		put(dir, "state.json", `{"apiVersion":"deployer/v1","kind":"HostState","host":"biz","observedGeneration":7,
			"colour":"blue","services":[{"name":"web","state":"Dancing","shape":{"round":true}}]}`)
		got, err := f.LoadState(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.ObservedGeneration).To(BeEquivalentTo(7))
		Expect(got.Services).To(HaveLen(1))
	})

	It("moves at most three broken files aside, and works on", func(ctx SpecContext) {
		for day := 1; day <= 5; day++ {
			Expect(f.Close()).To(Succeed())
			now := time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC)
			var err error
			f, err = statefile.Open(statefile.Options{Paths: providers.Paths{StateDir: dir}, Now: func() time.Time { return now }})
			Expect(err).NotTo(HaveOccurred())
			put(dir, "state.json", fmt.Sprintf("{broken %d", day))
			_, err = f.LoadState(ctx)
			Expect(err).To(MatchError(providers.ErrNotFound))
			Expect(err).To(MatchError(ContainSubstring("moved aside")))
		}
		Expect(names(dir)).To(Equal([]string{
			"lock", "state.json.broken-20260103T120000Z", "state.json.broken-20260104T120000Z", "state.json.broken-20260105T120000Z",
		}))
		Expect(os.ReadFile(filepath.Join(dir, "state.json.broken-20260105T120000Z"))).To(BeEquivalentTo("{broken 5"))
		Expect(f.SaveState(ctx, state())).To(Succeed())
	})

	It("survives F24: a thousand mutations of every file never keep it from starting", func(ctx SpecContext) {
		dir := memoryDir()
		f := open(dir)
		whole, err := json.Marshal(state())
		Expect(err).NotTo(HaveOccurred())
		files := map[string]string{
			"state.json": string(whole), "manifest.json": `{"manifest":{}}`, "floor.json": `{"lineage":"abc","generation":41}`,
			"hostname": "biz\n", "holds.json": `{"web":{"owner":"ann","forever":true}}`, "events.jsonl": `{"service":"web","reason":"Started","type":"Normal"}` + "\n",
		}
		random := rand.New(rand.NewPCG(24, 1000))
		for n := range 1000 {
			for name, content := range files {
				put(dir, name, mutate(random, content))
			}
			Expect(f.Close()).To(Succeed())
			f = open(dir)
			if n%10 == 0 {
				Expect(os.Remove(filepath.Join(dir, "state.json"))).To(Succeed())
				Expect(os.Mkdir(filepath.Join(dir, "state.json"), 0o755)).To(Succeed())
			}
			expectReading(ctx, f)
			if n%10 == 0 {
				expectWriting(ctx, f)
			}
		}
		Expect(len(names(dir))).To(BeNumerically("<=", len(files)*4+1))
	})

	It("takes a broken floor from state.json, so that no old manifest gets in", func(ctx SpecContext) {
		Expect(f.SaveState(ctx, state())).To(Succeed())
		put(dir, "floor.json", "\x00\x00\x00")
		for range 2 {
			Expect(f.Floor(ctx)).To(Equal(providers.Floor{Lineage: "abc", Generation: 41}))
		}
	})

	It("starts although a broken floor can be neither moved nor replaced", func(ctx SpecContext) {
		Expect(f.SaveState(ctx, state())).To(Succeed())
		put(dir, "floor.json", "{}")
		stuck := filepath.Join(dir, "floor.json")
		if err := syscall.Mount(stuck, stuck, "", syscall.MS_BIND, ""); err != nil {
			env.Lacks(GinkgoT(), "root, to mount a file: %v", err)
		}
		DeferCleanup(syscall.Unmount, stuck, 0)
		Expect(f.Floor(ctx)).To(Equal(providers.Floor{Lineage: "abc", Generation: 41}))
		Expect(f.RaiseFloor(ctx, providers.Floor{Lineage: "abc", Generation: 42})).To(MatchError(providers.ErrUnavailable))
	})

	It("keeps the floor when state.json is lost", func(ctx SpecContext) {
		Expect(f.SaveState(ctx, state())).To(Succeed())
		Expect(f.RaiseFloor(ctx, providers.Floor{Lineage: "abc", Generation: 42})).To(Succeed())
		Expect(os.Remove(filepath.Join(dir, "state.json"))).To(Succeed())
		Expect(f.Floor(ctx)).To(Equal(providers.Floor{Lineage: "abc", Generation: 42}))
	})

	It("passes over what a crash left of an event, and bounds the file", func(ctx SpecContext) {
		put(dir, "events.jsonl", `{"service":"web","reason":"Started","message":"whole"}`+"\n"+`{"service":"web","rea`)
		for i := range 1000 {
			Expect(f.Record(ctx, v1.Event{Service: "web", Reason: "Counted", Message: strings.Repeat("x", i%100)})).To(Succeed())
		}
		Expect(f.Events(ctx, "web")).To(HaveLen(statefile.DefaultEventsPerService))
		info, err := os.Stat(filepath.Join(dir, "events.jsonl"))
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Size()).To(BeNumerically("<", 2*statefile.DefaultEventsPerService*300))
	})
})

// memoryDir is a directory in which thousands of syncs cost nothing, where there is one.
func memoryDir() string {
	GinkgoHelper()
	dir, err := os.MkdirTemp("/dev/shm", "statefile-")
	if err != nil {
		return GinkgoT().TempDir()
	}
	DeferCleanup(os.RemoveAll, dir)
	return dir
}

// expectReading reads everything, as a start does.
func expectReading(ctx context.Context, f *statefile.Files) {
	GinkgoHelper()
	if _, err := f.LoadState(ctx); err != nil {
		Expect(err).To(MatchError(providers.ErrNotFound))
	}
	if _, err := f.LoadManifest(ctx); err != nil {
		Expect(err).To(MatchError(providers.ErrNotFound))
	}
	_, err := f.Events(ctx, "")
	Expect(err).NotTo(HaveOccurred())
	_, err = f.Floor(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(f.HostName(ctx, "biz")).NotTo(BeEmpty())
	if _, err := f.Holds(ctx); err != nil {
		Expect(err).To(MatchError(providers.ErrNotFound))
	}
}

func expectWriting(ctx context.Context, f *statefile.Files) {
	GinkgoHelper()
	Expect(f.Record(ctx, v1.Event{Service: "web", Reason: "Started"})).To(Succeed())
	Expect(f.SaveState(ctx, state())).To(Succeed())
	Expect(f.LoadState(ctx)).To(HaveField("Host", "biz"))
}

// mutate truncates, flips bytes, repeats, or replaces all by noise.
func mutate(random *rand.Rand, content string) string {
	b := []byte(content)
	switch random.IntN(5) {
	case 0:
		return string(b[:random.IntN(len(b))])
	case 1:
		for range 1 + random.IntN(4) {
			b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
		}
	case 2:
		b = append(b, b[:random.IntN(len(b))]...)
	case 3:
		for i := range b {
			b[i] = byte(random.IntN(256))
		}
	case 4:
		at := random.IntN(len(b))
		b = append(b[:at:at], b[min(len(b), at+1+random.IntN(20)):]...)
	}
	return string(b)
}
