package nix_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
	"deployer/test/closure"
)

// published numbers the closures of this process, so that no spec sees another's.
var published atomic.Int64

// realHost is the Nix of the test host that the test runs in, with a cache in memory.
type realHost struct {
	*nix.Manager
	world     *fake.World
	store     providers.Objects
	faults    *failing
	publisher *nix.Publisher
	keyFile   string
	options   nix.Options
}

func newRealHost() *realHost {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	h := &realHost{world: fake.New(), keyFile: filepath.Join(dir, "key")}
	h.world.Quiet = true
	h.store = h.world.Store()
	h.faults = &failing{Objects: h.store}
	public := writeKey(h.keyFile, "ours-1")
	var err error
	h.publisher, err = nix.NewPublisher(nix.PublisherOptions{Objects: h.store, KeyFile: h.keyFile})
	Expect(err).NotTo(HaveOccurred())
	h.options = nix.Options{
		Paths:             providers.Paths{StateDir: dir, RootsDir: "/nix/var/nix/gcroots/biz"},
		Objects:           h.faults,
		TrustedPublicKeys: []string{public},
	}
	h.Manager, err = nix.New(h.options)
	Expect(err).NotTo(HaveOccurred())
	return h
}

func writeKey(file, name string) (public string) {
	GinkgoHelper()
	secret, public, err := nix.GenerateKey(name)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(file, []byte(secret+"\n"), 0o600)).To(Succeed())
	return public
}

// build makes a closure in the local store that no earlier spec has a part of.
func (h *realHost) build(name string, blobs int, blobSize int64) string {
	GinkgoHelper()
	name = fmt.Sprintf("%s-%d-%d", name, os.Getpid(), published.Add(1))
	storePath, err := closure.Build(context.Background(), closure.Local{}, closure.Spec{
		Name: name, Release: "v1", Blobs: blobs, BlobSize: blobSize,
	})
	Expect(err).NotTo(HaveOccurred())
	return storePath
}

// publish builds a closure, puts it into the cache and takes it out of the local store.
func (h *realHost) publish(name string) string {
	GinkgoHelper()
	return h.publishBlobs(name, 0, 0)
}

func (h *realHost) publishBlobs(name string, blobs int, blobSize int64) string {
	GinkgoHelper()
	storePath := h.build(name, blobs, blobSize)
	_, err := h.publisher.Publish(context.Background(), providers.PublishRequest{StorePath: storePath})
	Expect(err).NotTo(HaveOccurred())
	deleteLocally(storePath)
	return storePath
}

func deleteLocally(storePath string) {
	GinkgoHelper()
	nixStore(append([]string{"--delete"}, requisites(storePath)...)...)
}

func requisites(storePath string) []string {
	GinkgoHelper()
	return strings.Fields(nixStore("--query", "--requisites", storePath))
}

func nixStore(args ...string) string {
	GinkgoHelper()
	stdout, _, err := closure.Local{}.Exec(context.Background(), append([]string{"/usr/bin/env", "NIX_REMOTE=local", "nix-store"}, args...)...)
	Expect(err).NotTo(HaveOccurred())
	return stdout
}

// dependency is a path of the closure that is not its root, by the cache.
func (h *realHost) dependency(storePath, name string) string {
	GinkgoHelper()
	paths, err := h.Closure(context.Background(), storePath)
	Expect(err).NotTo(HaveOccurred())
	for _, p := range paths {
		if strings.HasSuffix(p.StorePath, name) {
			return p.StorePath
		}
	}
	Fail("no " + name + " in the closure of " + storePath)
	return ""
}

func narinfoKey(storePath string) string {
	return strings.TrimPrefix(storePath, "/nix/store/")[:32] + ".narinfo"
}

// narKey is where the cache has the content of a path.
func (h *realHost) narKey(storePath string) string {
	GinkgoHelper()
	paths, err := h.Closure(context.Background(), storePath)
	Expect(err).NotTo(HaveOccurred())
	return paths[0].URL
}

func (h *realHost) read(key string) []byte {
	GinkgoHelper()
	obj, err := h.store.Get(context.Background(), key, providers.GetOptions{})
	Expect(err).NotTo(HaveOccurred())
	data, err := io.ReadAll(obj.Body)
	Expect(err).NotTo(HaveOccurred())
	return data
}

func (h *realHost) write(key string, data []byte) {
	GinkgoHelper()
	_, err := h.store.Put(context.Background(), key, bytes.NewReader(data), providers.PutOptions{})
	Expect(err).NotTo(HaveOccurred())
}

// spoil changes an object and gives what puts it back.
func (h *realHost) spoil(key string, change func([]byte) []byte) (restore func()) {
	GinkgoHelper()
	before := h.read(key)
	if after := change(bytes.Clone(before)); after == nil {
		Expect(h.store.Delete(context.Background(), key)).To(Succeed())
	} else {
		Expect(after).NotTo(Equal(before), "the spec must spoil something")
		h.write(key, after)
	}
	return func() { h.write(key, before) }
}
