package conformance

import (
	"errors"
	"fmt"
	"io/fs"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// SecretsHost is a host without secrets files, and what people do with them.
type SecretsHost struct {
	Secrets providers.Secrets
	// Path of a file with that name.
	Path func(name string) string
	// Write makes the file, owned by root.
	Write func(path, content string, mode fs.FileMode)
	// Chown gives the file away.
	Chown func(path string, uid int)
	// Symlink puts a link in place of the file.
	Symlink func(path string)
}

// secretBytes stand for what nobody may see.
const secretBytes = "TOKEN=hunter2hunter2\n"

// Secrets registers the specs of providers.Secrets. Call it inside a container; open
// gives a new host for each spec.
func Secrets(open func() SecretsHost) {
	var host SecretsHost
	var path string
	BeforeEach(func() {
		host = open()
		path = host.Path("web.env")
	})

	It("gives no path the fingerprint of no secrets", func(ctx SpecContext) {
		Expect(host.Secrets.Read(ctx, "")).To(Equal(providers.Secret{Fingerprint: v1.NoSecrets}))
	})

	It("gives the content with a fingerprint that follows it", func(ctx SpecContext) {
		host.Write(path, secretBytes, 0o600)
		first, err := host.Secrets.Read(ctx, path)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(first.Content)).To(Equal(secretBytes))
		Expect(first.Fingerprint).To(MatchRegexp(`^[0-9a-v]{10}$`))
		Expect(host.Secrets.Read(ctx, path)).To(Equal(first))

		host.Write(path, secretBytes+"# changed\n", 0o600)
		changed, err := host.Secrets.Read(ctx, path)
		Expect(err).NotTo(HaveOccurred())
		Expect(changed.Fingerprint).NotTo(Equal(first.Fingerprint))

		host.Write(path, secretBytes, 0o600)
		Expect(host.Secrets.Read(ctx, path)).To(HaveField("Fingerprint", first.Fingerprint))
	})

	It("takes an empty file for a file", func(ctx SpecContext) {
		host.Write(path, "", 0o600)
		Expect(host.Secrets.Read(ctx, path)).To(HaveField("Fingerprint", MatchRegexp(`^[0-9a-v]{10}$`)))
	})

	It("reports a missing file as certainly missing, with the way out", func(ctx SpecContext) {
		_, err := host.Secrets.Read(ctx, path)
		expectSecretsFault(err, "SecretsMissing", path, "0600")
		Expect(err).To(MatchError(providers.ErrNotFound))
	})

	DescribeTable("refuses a file that others can read or change", func(ctx SpecContext, mode fs.FileMode) {
		host.Write(path, secretBytes, mode)
		_, err := host.Secrets.Read(ctx, path)
		expectSecretsFault(err, "SecretsExposed", path, "chmod 600")
	},
		Entry("everybody reads", fs.FileMode(0o644)),
		Entry("the group reads", fs.FileMode(0o640)),
		Entry("others read", fs.FileMode(0o604)),
		Entry("the group writes", fs.FileMode(0o620)),
	)

	It("refuses a file of somebody else", func(ctx SpecContext) {
		host.Write(path, secretBytes, 0o600)
		host.Chown(path, 65534)
		_, err := host.Secrets.Read(ctx, path)
		expectSecretsFault(err, "SecretsWrongOwner", path, "65534")
	})

	It("refuses a symbolic link", func(ctx SpecContext) {
		host.Write(path, secretBytes, 0o600)
		host.Symlink(path)
		_, err := host.Secrets.Read(ctx, path)
		expectSecretsFault(err, "SecretsSymlink", path, "link")
	})

	It("never prints what it read", func(ctx SpecContext) {
		host.Write(path, secretBytes, 0o600)
		got, err := host.Secrets.Read(ctx, path)
		Expect(err).NotTo(HaveOccurred())
		for _, form := range []string{"%v", "%+v", "%s", "%q"} {
			Expect(fmt.Sprintf(form, got)).NotTo(ContainSubstring("hunter2"))
		}
	})
}

func expectSecretsFault(err error, reason string, parts ...string) {
	GinkgoHelper()
	var f *providers.Fault
	Expect(errors.As(err, &f)).To(BeTrue(), "%v", err)
	Expect(f.Reason).To(Equal(reason))
	Expect(f.Own).To(BeFalse())
	for _, part := range parts {
		Expect(f.Message).To(ContainSubstring(part))
	}
	Expect(err.Error()).NotTo(ContainSubstring("hunter2"))
}
