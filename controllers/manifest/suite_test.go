package manifest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

func TestManifest(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Manifest")
}

const (
	pathOne = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1"
	pathTwo = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-2"
)

var by = manifest.EditOptions{By: "ann@laptop", Message: "because"}

func worker(name string) v1.Service {
	return v1.Service{Name: name, Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: pathOne}}
}

// add is an edit that adds a service.
func add(name string) func(*v1.Manifest) error {
	return func(m *v1.Manifest) error {
		manifest.Put(m, worker(name))
		return nil
	}
}

// count is an edit that adds one to a counter: done twice or not at all, it shows.
func count(name string) func(*v1.Manifest) error {
	return func(m *v1.Manifest) error {
		s := m.Service("web")
		if s.Env == nil {
			s.Env = map[string]string{}
		}
		n, _ := strconv.Atoi(s.Env[name])
		s.Env[name] = strconv.Itoa(n + 1)
		return nil
	}
}

func remove(names ...string) func(*v1.Manifest) error {
	return func(m *v1.Manifest) error {
		var all error
		for _, name := range names {
			all = errors.Join(all, manifest.Remove(m, name, "ann@laptop"))
		}
		return all
	}
}

func over(objects providers.Objects, w *fake.World) *manifest.Repository {
	return manifest.NewRepository(manifest.Options{Objects: objects, StoreName: "file:///store", Now: w.Clock.Now})
}

// put writes an object as somebody without deploy-manifest would.
func put(ctx context.Context, w *fake.World, key, content string) {
	GinkgoHelper()
	_, err := w.Store().Put(ctx, key, reader(content), providers.PutOptions{})
	Expect(err).NotTo(HaveOccurred())
}

func content(ctx context.Context, w *fake.World, key string) string {
	GinkgoHelper()
	o, err := w.Store().Get(ctx, key, providers.GetOptions{})
	Expect(err).NotTo(HaveOccurred())
	data, err := io.ReadAll(o.Body)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}

func names(m *v1.Manifest) []string {
	out := []string{}
	for _, s := range m.Services {
		out = append(out, s.Name)
	}
	return out
}

// expectHistory holds the archive to its promise: each generation below the present one
// is there exactly once, and each names the one before.
func expectHistory(ctx context.Context, r *manifest.Repository) {
	GinkgoHelper()
	now, err := r.Read(ctx)
	Expect(err).NotTo(HaveOccurred())
	archives, err := r.Archives(ctx)
	Expect(err).NotTo(HaveOccurred())
	seen := map[int64]*v1.Manifest{now.Manifest.Generation: now.Manifest}
	for _, name := range archives {
		m, err := r.ReadArchive(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		if m.Generation == now.Manifest.Generation {
			// A writer who died after it archived, and before it wrote.
			Expect(m.Hash()).To(Equal(now.Hash))
			continue
		}
		Expect(seen).NotTo(HaveKey(m.Generation), "generation %d is archived twice", m.Generation)
		seen[m.Generation] = m
	}
	for g := now.Manifest.Generation; g > 1; g-- {
		Expect(seen).To(HaveKey(g), "generation %d is missing in %v", g, archives)
		Expect(seen).To(HaveKey(g - 1))
		Expect(seen[g].Previous).To(Equal(seen[g-1].Hash()), "generation %d follows another one than %d", g, g-1)
	}
}

func serviceName(prefix string, i int) string { return fmt.Sprintf("%s-%d", prefix, i) }

// listless is a store that fails whoever lists it.
type listless struct{ providers.Objects }

func (listless) List(context.Context, string) ([]providers.ObjectInfo, error) {
	return nil, errors.New("listed")
}

const soon = 5 * time.Second
