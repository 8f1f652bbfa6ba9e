package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/cmd/internal/cli"
	"deployer/providers"
	"deployer/test/env"
)

var _ = Describe("deploy-manifest over S3", Ordered, func() {
	var (
		p    *person
		addr string
	)
	BeforeAll(func() { addr = env.LocalS3(GinkgoT(), "ann", "not-a-secret", "deploy", "tidy") })
	BeforeEach(func() {
		p = newPerson()
		GinkgoT().Setenv("AWS_SHARED_CREDENTIALS_FILE", p.write("credentials", `
[ann]
aws_access_key_id = ann
aws_secret_access_key = not-a-secret
[eve]
aws_access_key_id = ann
aws_secret_access_key = a-guess
`))
		GinkgoT().Setenv("AWS_ACCESS_KEY_ID", "")
		GinkgoT().Setenv("AWS_EC2_METADATA_DISABLED", "true")
	})
	store := func(bucket, addr, profile string) string {
		return fmt.Sprintf("s3://%s?endpoint=%s&scheme=http&profile=%s&region=us-east-1", bucket, addr, profile)
	}

	It("does the daily work, and two writers lose no edit (F8)", func(ctx SpecContext) {
		url := store("deploy", addr, "ann")
		GinkgoT().Setenv(cli.StoreEnv, url)
		Expect(p.must(ctx, "init")).To(ContainSubstring("wrote generation 1 to s3://deploy?"))
		Expect(p.refused(ctx, cli.ExitError, "init")).To(ContainSubstring("left as it is"))
		p.must(ctx, "add-service", fromTheDocs)
		const edits = 10
		write := func(name string) {
			defer GinkgoRecover()
			mine := &person{home: p.home, clock: p.clock}
			for i := range edits {
				r := mine.run(ctx, "set", "my-new-service", fmt.Sprintf("env.%s_%d=1", name, i))
				Expect(r.code).To(Equal(cli.ExitOK), r.err)
				Expect(r.err).To(BeEmpty(), "it warns of a store that honours conditions")
			}
		}
		var both sync.WaitGroup
		both.Go(func() { write("LEFT") })
		both.Go(func() { write("RIGHT") })
		both.Wait()
		Expect(p.must(ctx, "show", "-o", "table")).To(HavePrefix(fmt.Sprintf("generation %d, ", 2+2*edits)))
		Expect(p.must(ctx, "rollback", "manifest-20261216T033100Z.json")).To(ContainSubstring("my-new-service: removed; hosts take it down"))
	})

	It("keeps a history, and cleans its cache up", func(ctx SpecContext) {
		url := store("tidy", addr, "ann")
		GinkgoT().Setenv(cli.StoreEnv, url)
		p.clock = time.Date(2020, 1, 1, 3, 30, 0, 0, time.UTC)
		p.must(ctx, "init")
		p.must(ctx, "add-service", `{"name":"web","hosts":["biz"]}`)
		objects, _, err := cli.OpenStore(ctx, url)
		Expect(err).NotTo(HaveOccurred())
		for n := range 3 {
			release := storePath(n, "web")
			for key, content := range narinfoOf(release) {
				_, err := objects.Put(ctx, key, strings.NewReader(content), providers.PutOptions{})
				Expect(err).NotTo(HaveOccurred())
			}
			p.must(ctx, "update", "web", release)
		}
		Expect(strings.Count(p.must(ctx, "history", "web"), "update web to ")).To(Equal(3))
		for _, run := range []struct{ grace, says string }{
			{"24h", "waiting: 1 path"},
			{"0s", "deleted 1 path"},
			{"0s", "nothing to delete"},
		} {
			Expect(p.must(ctx, "cache", "gc", "--keep", "1", "--older-than", "0s", "--grace", run.grace)).To(ContainSubstring(run.says))
		}
		left, err := objects.List(ctx, "")
		Expect(err).NotTo(HaveOccurred())
		var cached []string
		for _, o := range left {
			if !strings.HasPrefix(o.Key, "manifest") {
				cached = append(cached, o.Key)
			}
		}
		Expect(cached).To(HaveLen(5), "two paths with their contents, and the list of candidates: %v", cached)
	})

	DescribeTable("says in one sentence what is wrong with the store",
		func(ctx SpecContext, bucket, profile string, wanted string) {
			at := addr
			if bucket == "nobody-listens" {
				at = "127.0.0.1:1"
			}
			for _, command := range [][]string{{"show"}, {"list"}, {"init"}, {"add-service", fromTheDocs}} {
				said := p.refused(ctx, cli.ExitError, append(command, "--store", store(bucket, at, profile))...)
				Expect(said).To(ContainSubstring(wanted))
				Expect(said).NotTo(ContainSubstring("a-guess"))
			}
		},
		Entry("a bucket that is not there", "no-such-bucket", "ann", "bucket"),
		Entry("wrong credentials", "deploy", "eve", "check the secret key"),
		Entry("a profile that is not there", "deploy", "nobody", "nobody"),
		Entry("an endpoint that nobody listens on", "nobody-listens", "ann", "127.0.0.1:1"),
	)
})
