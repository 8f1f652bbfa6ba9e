package cache_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/cache"
	"deployer/providers"
	"deployer/providers/fake"
)

func TestCache(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Cache")
}

// day is a grace period.
const day = 24 * time.Hour

// pathOf is the store path of that name.
func pathOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	hash := strings.ReplaceAll(hex.EncodeToString(sum[:16]), "e", "x") // Nix's base 32 has no e
	return "/nix/store/" + hash + "-" + name
}

func keyOf(storePath string) string { return path.Base(storePath)[:32] + ".narinfo" }

// narOf is where the content of a path is. Two neighbours among the libs are of one content
// and share it, as in a cache that names contents by their hash.
func narOf(storePath string) string {
	var n int
	if _, err := fmt.Sscanf(path.Base(storePath)[33:], "lib-%d", &n); err == nil {
		storePath = pathOf(fmt.Sprintf("lib-%d", n&^1))
	}
	return "nar/" + path.Base(storePath)[:32] + ".nar.zst"
}

// box is a cache with manifests, in memory.
type box struct {
	w     *fake.World
	store providers.Objects
	kept  []*v1.Manifest
}

func newBox() *box {
	w := fake.New()
	w.Quiet = true
	return &box{w: w, store: w.Store()}
}

func (b *box) write(ctx context.Context, key, content string) error {
	_, err := b.store.Put(ctx, key, strings.NewReader(content), providers.PutOptions{})
	return err
}

// upload puts a path into the cache as a push does: its content, and then its entry.
func (b *box) upload(ctx context.Context, storePath string, refs ...string) {
	GinkgoHelper()
	Expect(b.send(ctx, storePath, narOf(storePath), refs)).To(Succeed())
}

func (b *box) send(ctx context.Context, storePath, content string, refs []string) error {
	if err := b.write(ctx, content, "content of "+storePath); err != nil {
		return err
	}
	return b.write(ctx, keyOf(storePath), narinfo(storePath, content, refs))
}

func narinfo(storePath, content string, refs []string) string {
	text := "StorePath: " + storePath + "\nURL: " + content + "\nReferences:"
	for _, ref := range append([]string{storePath}, refs...) {
		text += " " + path.Base(ref)
	}
	return text + "\n"
}

// names keeps manifests with these releases, each with one service for each path.
func (b *box) names(releases ...string) { b.kept = append(b.kept, manifestOf(releases...)) }

func manifestOf(releases ...string) *v1.Manifest {
	m := &v1.Manifest{Version: v1.Version}
	for i, r := range releases {
		m.Services = append(m.Services, v1.Service{Name: fmt.Sprintf("s%d", i), Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: r}})
	}
	return m
}

func (b *box) options() cache.Options {
	return cache.Options{
		Objects: b.store, Index: fake.CacheIndex(b.store), Grace: day, By: "ann@laptop", Now: b.w.Clock.Now,
		Kept: func(context.Context, time.Time) ([]*v1.Manifest, error) { return b.kept, nil },
	}
}

func (b *box) collect(ctx context.Context) cache.Report {
	GinkgoHelper()
	r, err := cache.Collect(ctx, b.options())
	Expect(err).NotTo(HaveOccurred())
	return r
}

// twice is a first collection, the grace period, and a second.
func (b *box) twice(ctx context.Context) cache.Report {
	GinkgoHelper()
	b.w.Clock.Advance(time.Minute)
	Expect(b.collect(ctx).Deleted).To(BeEmpty())
	b.w.Clock.Advance(day)
	return b.collect(ctx)
}

// cached lists what the cache has.
func (b *box) cached(ctx context.Context) []string {
	GinkgoHelper()
	all, err := b.store.List(ctx, "")
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, o := range all {
		if strings.HasSuffix(o.Key, ".narinfo") || strings.HasPrefix(o.Key, "nar/") {
			out = append(out, o.Key)
		}
	}
	return out
}

// keysOf are the keys of paths that are wholly in the cache.
func keysOf(storePaths ...string) []string {
	var out []string
	for _, p := range storePaths {
		out = append(out, keyOf(p), narOf(p))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// lacks is what a realisation of the path would not find in the cache; empty when it would
// find all of it.
func (b *box) lacks(ctx context.Context, storePath string) string {
	seen := map[string]bool{}
	var visit func(p string) string
	visit = func(p string) string {
		if seen[p] {
			return ""
		}
		seen[p] = true
		text, err := b.read(ctx, keyOf(p))
		if err != nil {
			return "the entry of " + p
		}
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if _, err := b.read(ctx, strings.TrimSpace(value)); name == "URL" && err != nil {
				return "the content of " + p
			}
			if name != "References" {
				continue
			}
			for _, ref := range strings.Fields(value) {
				if lack := visit("/nix/store/" + ref); lack != "" {
					return lack
				}
			}
		}
		return ""
	}
	return visit(storePath)
}

func (b *box) read(ctx context.Context, key string) (string, error) {
	o, err := b.store.Get(ctx, key, providers.GetOptions{})
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(o.Body)
	return string(data), err
}

// report writes what a host says.
func (b *box) report(ctx context.Context, host string, services ...v1.ServiceState) {
	GinkgoHelper()
	data, err := json.Marshal(v1.HostState{APIVersion: v1.APIVersion, Kind: v1.KindHostState, Host: host, Services: services})
	Expect(err).NotTo(HaveOccurred())
	Expect(b.write(ctx, "status/"+host+".json", string(data))).To(Succeed())
}

var errKilled = errors.New("killed")

// dying is a store whose user dies at the n-th call, or at the n-th deletion, before or
// after its effect.
type dying struct {
	providers.Objects
	left             atomic.Int64
	after, deletions bool
}

// step reports whether the call must not happen, and whether its answer gets lost.
func (d *dying) step(call string) (skip, lose bool) {
	if d.deletions && call != "Delete" && d.left.Load() > 0 {
		return false, false
	}
	left := d.left.Add(-1)
	return left < 0 || left == 0 && !d.after, left <= 0
}

func (d *dying) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	if _, lose := d.step("Get"); lose {
		return nil, errKilled
	}
	return d.Objects.Get(ctx, key, o)
}

func (d *dying) List(ctx context.Context, prefix string) ([]providers.ObjectInfo, error) {
	if _, lose := d.step("List"); lose {
		return nil, errKilled
	}
	return d.Objects.List(ctx, prefix)
}

func (d *dying) Put(ctx context.Context, key string, body io.ReadSeeker, o providers.PutOptions) (providers.ObjectInfo, error) {
	skip, lose := d.step("Put")
	if skip {
		return providers.ObjectInfo{}, errKilled
	}
	info, err := d.Objects.Put(ctx, key, body, o)
	if lose {
		return providers.ObjectInfo{}, errKilled
	}
	return info, err
}

func (d *dying) Delete(ctx context.Context, key string) error {
	skip, lose := d.step("Delete")
	if skip {
		return errKilled
	}
	err := d.Objects.Delete(ctx, key)
	if lose {
		return errKilled
	}
	return err
}
