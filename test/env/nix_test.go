package env_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

// roundTrip builds an input-addressed closure, signs it, puts it into a cache and takes it back
// as a host must: with a signature or not at all.
const roundTrip = `set -eu
cd /var/tmp
nix-store --generate-binary-cache-key test-1 secret public
cat >x.nix <<'EOF'
let base = name: text: derivation {
  inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" text ];
}; dependency = base "dependency" "echo inner > $out";
in base "outer" "echo ${dependency} > $out"
EOF
path=$(nix-build --no-out-link --option sandbox false x.nix)
nix="nix --extra-experimental-features nix-command"
$nix store sign --recursive --key-file secret $path
$nix copy --to file:///var/tmp/cache $path
dependency=$(cat $path)
nix-store --delete $path $dependency
export NIX_REMOTE=local
pull="nix-store --realise --option substituters file:///var/tmp/cache --option require-sigs true"
if $pull --option trusted-public-keys "" $path; then echo "took an unsigned closure"; exit 1; fi
if [ -e $path ]; then echo "left an unsigned closure"; exit 1; fi
$pull --option trusted-public-keys "$(cat public)" $path
nix-store --check-validity $path $dependency
cat $dependency`

var _ = Describe("Nix on a test host", func() {
	It("builds, signs and copies closures, and takes back only signed ones", func(ctx SpecContext) {
		lab, err := env.NewLab(ctx, env.LabOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(lab.Close()).To(Succeed()) })
		laptop, err := lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
		Expect(err).NotTo(HaveOccurred())

		out, stderr, err := laptop.Exec(ctx, "sh", "-c", roundTrip)
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(HaveSuffix("inner\n"))
		Expect(stderr).To(ContainSubstring("not signed by any of the keys"))
		Expect(strings.Count(stderr, "added 2 signatures")).To(Equal(1), stderr)
	})
})
