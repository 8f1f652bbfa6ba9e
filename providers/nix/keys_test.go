package nix_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

var _ = Describe("Keys", func() {
	It("are pairs in Nix's own form", func() {
		secret, public, err := nix.GenerateKey("acme-1")
		Expect(err).NotTo(HaveOccurred())
		Expect(secret).To(MatchRegexp(`^acme-1:[A-Za-z0-9+/]{86}==$`))
		Expect(public).To(MatchRegexp(`^acme-1:[A-Za-z0-9+/]{43}=$`))
		Expect(nix.PublicKey(secret + "\n")).To(Equal(public))
		Expect(nix.CheckPublicKey(public)).To(Succeed())
	})

	DescribeTable("have names without surprises", func(name string) {
		_, _, err := nix.GenerateKey(name)
		Expect(err).To(HaveOccurred())
	}, Entry(nil, ""), Entry(nil, "a:b"), Entry(nil, "a b"), Entry(nil, "a\n"), Entry(nil, "-x"))

	It("never show a secret in an error", func() {
		secret, _, err := nix.GenerateKey("acme-1")
		Expect(err).NotTo(HaveOccurred())
		_, err = nix.New(nix.Options{Objects: fake.New().Store(), TrustedPublicKeys: []string{secret}})
		Expect(err).To(MatchError(ContainSubstring("acme-1:…")))
		Expect(err.Error()).NotTo(ContainSubstring(strings.Split(secret, ":")[1][:20]))
		_, err = nix.PublicKey(secret[:40])
		Expect(err).To(HaveOccurred())
		Expect(err.Error()).NotTo(ContainSubstring(secret[10:30]))
	})

	It("must be whole to be trusted", func() {
		_, public, err := nix.GenerateKey("acme-1")
		Expect(err).NotTo(HaveOccurred())
		for _, bad := range []string{"", "acme-1", "acme-1:", public[:len(public)-4], "name with spaces:" + strings.Split(public, ":")[1]} {
			Expect(nix.CheckPublicKey(bad)).NotTo(Succeed(), bad)
		}
	})
})

var _ = Describe("A manager", func() {
	It("needs a store", func() {
		_, err := nix.New(nix.Options{Paths: providers.DefaultPaths()})
		Expect(err).To(HaveOccurred())
	})
})
