package nix_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/nix-community/go-nix/pkg/nar"
	"github.com/nix-community/go-nix/pkg/narinfo"
	"github.com/nix-community/go-nix/pkg/narinfo/signature"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/nix"
)

// workstation answers a Publisher's questions as the Nix of a machine would that has
// exactly these paths, and has their files.
type workstation struct {
	root  string
	keys  map[string]string
	refs  map[string][]string
	nars  map[string][]byte
	info  string // of path-info; empty: this Nix does not know the command
	asked []string
	// broken is what Nix answers everything with.
	broken error

	mu sync.Mutex
}

func newWorkstation() *workstation {
	return &workstation{root: GinkgoT().TempDir(), keys: map[string]string{}, refs: map[string][]string{}, nars: map[string][]byte{}}
}

// add registers a file tree as a path: one file, and beside it what a NAR may hold.
func (w *workstation) add(storePath, content string, refs ...string) {
	GinkgoHelper()
	dir := w.root + storePath
	Expect(os.MkdirAll(filepath.Join(dir, "bin"), 0o755)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(dir, "bin", "run"), []byte("#!/bin/sh\n"), 0o755)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(dir, "content"), []byte(content), 0o644)).To(Succeed())
	Expect(os.Symlink("bin/run", filepath.Join(dir, "link"))).To(Succeed())
	w.register(storePath, refs...)
}

// register takes the files as they are now for what the path is.
func (w *workstation) register(storePath string, refs ...string) {
	GinkgoHelper()
	var dump bytes.Buffer
	Expect(nar.DumpPath(&dump, w.root+storePath)).To(Succeed())
	w.nars[storePath], w.refs[storePath] = dump.Bytes(), refs
}

func (w *workstation) Run(_ context.Context, c nix.Command) (nix.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, strings.Join(append([]string{c.Name}, c.Args...), " "))
	last := c.Args[len(c.Args)-1]
	switch {
	case w.broken != nil:
		return nix.Result{}, w.broken
	case slices.Contains(c.Args, "--check-validity"):
		if w.nars[last] != nil {
			return nix.Result{}, nil
		}
		return nix.Result{Stdout: last + "\n"}, nil
	case slices.Contains(c.Args, "--requisites"):
		return nix.Result{Stdout: strings.Join(slices.Sorted(maps.Keys(w.requisites(last))), "\n") + "\n"}, nil
	case slices.Contains(c.Args, "--dump-db"):
		return nix.Result{Stdout: w.dump(c.Args[1:])}, nil
	case slices.Contains(c.Args, "path-info") && w.info != "":
		return nix.Result{Stdout: w.info}, nil
	}
	return nix.Result{Stderr: "error: no such command\n"}, &nix.ExitError{Command: c.Name, Stderr: "error: no such command\n"}
}

func (w *workstation) requisites(root string) map[string]bool {
	all := map[string]bool{root: true}
	for _, ref := range w.refs[root] {
		if ref != root {
			maps.Copy(all, w.requisites(ref))
		}
	}
	return all
}

func (w *workstation) dump(paths []string) string {
	var out strings.Builder
	for _, p := range paths {
		fmt.Fprintf(&out, "%s\n%x\n%d\n\n%d\n", p, sha256.Sum256(w.nars[p]), len(w.nars[p]), len(w.refs[p]))
		for _, ref := range w.refs[p] {
			fmt.Fprintln(&out, ref)
		}
	}
	return out.String()
}

// publisherOf signs with the key of that name, for this machine and that store.
func (w *workstation) publisherOf(keyName string, store providers.Objects, change ...func(*nix.PublisherOptions)) *nix.Publisher {
	GinkgoHelper()
	file := w.keys[keyName]
	if file == "" {
		file = filepath.Join(GinkgoT().TempDir(), keyName)
		writeKey(file, keyName)
		w.keys[keyName] = file
	}
	o := nix.PublisherOptions{Objects: store, KeyFile: file, Runner: w, DiskRoot: w.root}
	for _, c := range change {
		c(&o)
	}
	p, err := nix.NewPublisher(o)
	Expect(err).NotTo(HaveOccurred())
	return p
}

// contentOf is everything that a store has.
func contentOf(store providers.Objects) map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	infos, err := store.List(context.Background(), "")
	Expect(err).NotTo(HaveOccurred())
	for _, i := range infos {
		obj, err := store.Get(context.Background(), i.Key, providers.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		data, err := io.ReadAll(obj.Body)
		Expect(err).NotTo(HaveOccurred())
		out[i.Key] = string(data)
	}
	return out
}

// expectPullable expects of every narinfo in a store that its NAR is there and is what it
// says, and that all it refers to has one, too: whatever has a narinfo can be pulled.
func expectPullable(store providers.Objects, trusted ...string) {
	GinkgoHelper()
	content := contentOf(store)
	for key, text := range content {
		if !strings.HasSuffix(key, ".narinfo") {
			continue
		}
		info, err := narinfo.Parse(strings.NewReader(text))
		Expect(err).NotTo(HaveOccurred(), text)
		Expect(key).To(Equal(narinfoKey(info.StorePath)))
		Expect(content).To(HaveKey(info.URL))
		decoder, err := zstd.NewReader(strings.NewReader(content[info.URL]))
		Expect(err).NotTo(HaveOccurred())
		whole, err := io.ReadAll(decoder)
		Expect(err).NotTo(HaveOccurred())
		sum, fileSum := sha256.Sum256(whole), sha256.Sum256([]byte(content[info.URL]))
		Expect(info.NarHash.Digest()).To(Equal(sum[:]))
		Expect(info.FileHash.Digest()).To(Equal(fileSum[:]))
		Expect(info.NarSize).To(BeEquivalentTo(len(whole)))
		Expect(info.FileSize).To(BeEquivalentTo(len(content[info.URL])))
		for _, ref := range info.References {
			Expect(content).To(HaveKey(narinfoKey("/nix/store/"+ref)), "%s refers to %s", info.StorePath, ref)
		}
		for _, t := range trusted {
			key, err := signature.ParsePublicKey(t)
			Expect(err).NotTo(HaveOccurred())
			Expect(signature.VerifyFirst(info.Fingerprint(), info.Signatures, []signature.PublicKey{key})).To(BeTrue(), "%s is signed by %s", info.StorePath, key.Name)
		}
	}
}
