package deploy_test

import (
	"context"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
	"deployer/test/suites/stage"
)

var _ = Describe("A service with secrets", Ordered, func() {
	const (
		name   = "vault"
		file   = "/var/lib/biz-secrets/vault.env"
		canary = "canary-7d1f0c52"
	)

	It("waits, with the reason, until its secrets file is there", func(ctx SpecContext) {
		service := stage.Web(name, 8101)
		service.EnvFile = file
		s.Add(ctx, service)
		s.Push(ctx, name, "one")
		st := s.WaitReason(ctx, name, "SecretsMissing")
		Expect(st.Message).To(ContainSubstring(file))
		Expect(s.Run(ctx, s.Biz, "deployerctl", "status").Code).To(Equal(3))
		Expect(s.Run(ctx, s.Biz, "systemctl", "is-active", name).Code).NotTo(Equal(0))
	})

	It("runs and sees them once the file is there", func(ctx SpecContext) {
		Expect(s.Biz.Write(ctx, file, []byte("SECRET_KEY="+canary+"\n"), 0o600)).To(Succeed())
		s.WaitSettled(ctx, name)
		Expect(s.Get(ctx, name, "/env")).To(MatchRegexp("(?m)^SECRET_KEY=" + canary + "$"))
	})

	It("restarts with the new ones when they change", func(ctx SpecContext) {
		Expect(s.Biz.Write(ctx, file, []byte("SECRET_KEY="+canary+"-second\n"), 0o600)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) (string, error) {
			return s.Get(ctx, name, "/env")
		}).WithTimeout(stage.Patience).Should(MatchRegexp("(?m)^SECRET_KEY=" + canary + "-second$"))
		s.WaitSettled(ctx, name)
	})

	It("keeps the value where it belongs and nowhere else", func(ctx SpecContext) {
		found := strings.Fields(s.Shell(ctx, s.Biz, "grep -rlaF -D skip "+canary+" /etc /var /run /tmp /root /nix/var || true"))
		Expect(found).To(ContainElement(file))
		for _, f := range found {
			Expect(f).To(Or(Equal(file), MatchRegexp(`^/var/lib/biz-deployer/releases/vault/[^/]+/secrets$`)))
		}
		Expect(s.Shell(ctx, s.Biz, "stat -c %a:%U /var/lib/biz-deployer/releases/vault/*/secrets | sort -u")).To(Equal("600:root\n"))
		for what, text := range map[string]string{
			"the journal":    s.OK(ctx, s.Biz, "journalctl", "--no-pager", "-o", "export"),
			"systemctl show": s.OK(ctx, s.Biz, "systemctl", "show", "--all", name, "biz-deployer", "caddy"),
			"systemctl cat":  s.OK(ctx, s.Biz, "systemctl", "cat", name),
			"Caddy":          caddyConfig(ctx),
			"status":         s.OK(ctx, s.Biz, "deployerctl", "status", name, "-o", "json"),
			"the bucket":     bucket(ctx),
		} {
			Expect(strings.Contains(text, canary)).To(BeFalse(), "the canary is in %s", what)
		}
	})
})

// bucket is the content of every object that is no compressed closure.
func bucket(ctx context.Context) string {
	client := s.Lab.S3.Client(env.Writer)
	list, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(env.Bucket)})
	Expect(err).NotTo(HaveOccurred())
	Expect(list.Contents).NotTo(BeEmpty())
	var all strings.Builder
	for _, object := range list.Contents {
		if strings.HasPrefix(*object.Key, "nar/") {
			continue
		}
		got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(env.Bucket), Key: object.Key})
		Expect(err).NotTo(HaveOccurred())
		_, err = io.Copy(&all, got.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Body.Close()).To(Succeed())
	}
	return all.String()
}
