package env_test

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

var _ = Describe("A lab's S3", Ordered, func() {
	var lab *env.Lab

	put := func(ctx context.Context, user, key string) error {
		_, err := lab.S3.Client(user).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(env.Bucket), Key: aws.String(key), Body: strings.NewReader(key)})
		return err
	}
	read := func(ctx context.Context, user, key string) error {
		object, err := lab.S3.Client(user).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(env.Bucket), Key: aws.String(key)})
		if err == nil {
			err = object.Body.Close()
		}
		return err
	}
	remove := func(ctx context.Context, user, key string) error {
		_, err := lab.S3.Client(user).DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(env.Bucket), Key: aws.String(key)})
		return err
	}

	BeforeAll(func(ctx SpecContext) {
		var err error
		lab, err = env.NewLab(ctx, env.LabOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(lab.Close()).To(Succeed()) })
		for _, name := range []string{"biz", "ava"} {
			_, err = lab.Up(ctx, name, env.HostOptions{Enable: []string{}})
			Expect(err).NotTo(HaveOccurred())
		}
	})

	It("lets the writer write, read and remove everything", func(ctx SpecContext) {
		for _, key := range []string{"manifest.json", "manifests/manifest-1.json", "nix-cache-info", "abc.narinfo", "nar/abc.nar.zst", "other/file", "gone"} {
			Expect(put(ctx, env.Writer, key)).To(Succeed(), key)
			Expect(read(ctx, env.Writer, key)).To(Succeed(), key)
		}
		Expect(remove(ctx, env.Writer, "gone")).To(Succeed())
		Expect(errorCode(read(ctx, env.Writer, "gone"))).To(Equal("NoSuchKey"))
	})

	It("lets a host read what it needs and write its own report", func(ctx SpecContext) {
		biz := env.HostUser("biz")
		Expect(put(ctx, biz, "status/biz.json")).To(Succeed())
		Expect(put(ctx, env.HostUser("ava"), "status/ava.json")).To(Succeed())
		for _, key := range []string{"manifest.json", "manifests/manifest-1.json", "nix-cache-info", "abc.narinfo", "nar/abc.nar.zst", "status/biz.json", "status/ava.json"} {
			Expect(read(ctx, biz, key)).To(Succeed(), key)
		}
		_, err := lab.S3.Client(biz).ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(env.Bucket), Prefix: aws.String("manifests/")})
		Expect(err).NotTo(HaveOccurred())
		Expect(errorCode(read(ctx, biz, "none.narinfo"))).To(Equal("NoSuchKey"))
	})

	It("refuses a host everything else", func(ctx SpecContext) {
		biz := env.HostUser("biz")
		for _, key := range []string{"manifest.json", "manifests/manifest-2.json", "abc.narinfo", "nar/abc.nar.zst", "status/ava.json", "status/biz.json/more"} {
			Expect(errorCode(put(ctx, biz, key))).To(Equal("AccessDenied"), key)
		}
		Expect(errorCode(read(ctx, biz, "other/file"))).To(Equal("AccessDenied"))
		Expect(errorCode(remove(ctx, biz, "manifest.json"))).To(Equal("AccessDenied"))
		Expect(errorCode(remove(ctx, biz, "status/biz.json"))).To(Equal("AccessDenied"))
		Expect(read(ctx, env.Writer, "manifest.json")).To(Succeed())
	})

	It("refuses strangers", func(ctx SpecContext) {
		anonymous := s3.New(lab.S3.Client(env.Writer).Options(), func(o *s3.Options) { o.Credentials = aws.AnonymousCredentials{} })
		_, err := anonymous.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(env.Bucket), Key: aws.String("manifest.json")})
		Expect(errorCode(err)).To(Equal("AccessDenied"))
		forged := s3.New(lab.S3.Client(env.Writer).Options(), func(o *s3.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider(env.Writer, "guessed", "")
		})
		_, err = forged.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(env.Bucket), Key: aws.String("manifest.json")})
		Expect(errorCode(err)).To(Equal("SignatureDoesNotMatch"))
	})

	It("gives each host its own keys, and nobody else's", func(ctx SpecContext) {
		keys, err := lab.Host("biz").Read(ctx, "/root/.aws/credentials")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(keys)).To(And(HavePrefix("[deployer]\n"), ContainSubstring("host-biz"), ContainSubstring(lab.S3.Secret(env.HostUser("biz")))))
		Expect(string(keys)).NotTo(ContainSubstring(lab.S3.Secret(env.Writer)))
	})

	It("keeps its objects over a stop", func(ctx SpecContext) {
		Expect(lab.S3.Stop(ctx)).To(Succeed())
		Expect(lab.S3.Running()).To(BeFalse())
		_, _, err := lab.Host("biz").Exec(ctx, "curl", "-sS", "-m", "5", "http://s3:7070/health")
		Expect(exitCode(err)).To(Equal(7))
		Expect(lab.S3.Start(ctx)).To(Succeed())
		Expect(read(ctx, env.HostUser("biz"), "manifest.json")).To(Succeed())
		Expect(errorCode(put(ctx, env.HostUser("biz"), "manifest.json"))).To(Equal("AccessDenied"))
	})
})

// errorCode is what the server said, or "" when it did not refuse.
func errorCode(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return api.ErrorCode()
}
