package push_test

import (
	"context"
	"io"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// history is every version that the store has, by generation.
func history(ctx context.Context) map[int64]*v1.Manifest {
	GinkgoHelper()
	list, err := store.List(ctx, "manifests/")
	Expect(err).NotTo(HaveOccurred())
	versions := map[int64]*v1.Manifest{}
	for _, key := range append(list, providers.ObjectInfo{Key: "manifest.json"}) {
		object, err := store.Get(ctx, key.Key, providers.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		raw, err := io.ReadAll(object.Body)
		Expect(err).NotTo(HaveOccurred())
		m, err := v1.Decode(raw)
		Expect(err).NotTo(HaveOccurred(), key.Key)
		Expect(versions).NotTo(HaveKey(m.Generation), "two versions have generation %d", m.Generation)
		versions[m.Generation] = m
	}
	return versions
}
