package housekeeping_test

import (
	"context"
	"encoding/json"
	"path"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/closure"
)

var _ = Describe("cache gc", Ordered, func() {
	releases := map[string]string{}
	push := func(ctx context.Context, release string) {
		GinkgoHelper()
		built, err := closure.Build(ctx, laptop, closure.Spec{Name: "web", Release: release})
		Expect(err).NotTo(HaveOccurred())
		releases[release] = built
		run(ctx, "deploy-push", "web", built)
	}
	// realises: stock Nix fetches the whole closure from the cache into a store of its own,
	// which has nothing yet, and insists on the signatures.
	realises := func(ctx context.Context, release string) error {
		GinkgoHelper()
		key := strings.TrimSpace(run(ctx, "cat", "/root/.config/deployer/acme-1.public"))
		empty := strings.TrimSpace(run(ctx, "mktemp", "-d"))
		_, err := try(ctx, "nix-store", "--realise", releases[release], "--store", "local?root="+empty,
			"--option", "substituters", "file://"+store, "--option", "trusted-public-keys", key, "--option", "require-sigs", "true",
			"--option", "narinfo-cache-positive-ttl", "0", "--option", "narinfo-cache-negative-ttl", "0")
		if err == nil {
			run(ctx, "test", "-x", empty+releases[release]+"/bin/web")
		}
		return err
	}
	collect := func(ctx context.Context, more ...string) string {
		GinkgoHelper()
		return run(ctx, append([]string{"deploy-manifest", "cache", "gc", "--keep", "1", "--older-than", "0s"}, more...)...)
	}
	inCache := func(ctx context.Context, release string) bool {
		_, err := try(ctx, "test", "-e", store+"/"+path.Base(releases[release])[:32]+".narinfo")
		return err == nil
	}
	BeforeAll(func(ctx SpecContext) {
		run(ctx, "deploy-manifest", "add-service", `{"name":"web","hosts":["biz"]}`)
		for _, release := range []string{"one", "two", "three", "four"} {
			push(ctx, release)
		}
	})

	It("deletes nothing within its grace period", func(ctx SpecContext) {
		Expect(collect(ctx)).To(ContainSubstring("waiting: "))
		for release := range releases {
			Expect(inCache(ctx, release)).To(BeTrue())
		}
	})

	It("keeps what a host reports, and what the kept versions need, so that Nix realises it, and deletes the rest", func(ctx SpecContext) {
		report, err := json.Marshal(v1.HostState{
			APIVersion: v1.APIVersion, Kind: v1.KindHostState, Host: "biz",
			Services: []v1.ServiceState{{Name: "web", Serving: v1.Target{StorePath: releases["two"]}}},
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(laptop.Write(ctx, store+"/status/biz.json", report, 0o644)).To(Succeed())
		Expect(collect(ctx, "--grace", "0s")).To(And(ContainSubstring("and the host biz"), ContainSubstring("deleted "), ContainSubstring(releases["one"])))
		Expect(inCache(ctx, "one")).To(BeFalse())
		Expect(realises(ctx, "one")).NotTo(Succeed())
		for _, kept := range []string{"two", "three", "four"} {
			Expect(realises(ctx, kept)).To(Succeed(), kept)
		}
	})

	It("lets a deleted release be pushed again, and be rolled back to", func(ctx SpecContext) {
		push(ctx, "one")
		Expect(realises(ctx, "one")).To(Succeed())
		run(ctx, "deploy-manifest", "rollback")
		Expect(run(ctx, "deploy-manifest", "show", "web")).To(ContainSubstring(releases["four"]))
		collect(ctx, "--grace", "0s")
		for _, kept := range []string{"two", "one", "four"} {
			Expect(realises(ctx, kept)).To(Succeed(), kept)
		}
		Expect(inCache(ctx, "three")).To(BeFalse())
	})
})
