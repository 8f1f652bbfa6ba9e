// deploy-push on a real laptop, with a real Nix and a real S3: what it builds and says, and
// that neither a stop at any moment nor a second pusher does harm.
package push_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/objectstore"
	"deployer/test/env"
	"deployer/test/suites/stage"
)

func TestPush(t *testing.T) {
	stage.Run(t, "push")
}

var (
	s     *stage.Stage
	store providers.Objects
)

var _ = BeforeSuite(func(ctx SpecContext) {
	s = stage.New(ctx, stage.Options{})
	var err error
	store, err = objectstore.Open(ctx, s.Lab.S3.URL("", env.WriterProfile), objectstore.Options{CredentialsFile: s.Lab.S3.CredentialsFile()})
	Expect(err).NotTo(HaveOccurred())
	openToReaders(ctx)
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })

// rounds says how many the long specs make: a few by default, 50 to believe them.
func rounds() int {
	GinkgoHelper()
	return stage.Length("DEPLOYER_PUSH_ROUNDS", 6)
}

// cacheURL is the bucket as a stock Nix reads it: plain HTTP, with nothing of ours between.
const cacheURL = "http://s3:7070/" + env.Bucket

// openToReaders lets everybody read the bucket, beside what its policy allows already.
func openToReaders(ctx context.Context) {
	GinkgoHelper()
	root := s.Lab.S3.Client("root")
	now, err := root.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String(env.Bucket)})
	Expect(err).NotTo(HaveOccurred())
	var policy map[string]any
	Expect(json.Unmarshal([]byte(aws.ToString(now.Policy)), &policy)).To(Succeed())
	statements, ok := policy["Statement"].([]any)
	Expect(ok).To(BeTrue(), aws.ToString(now.Policy))
	policy["Statement"] = append(statements, map[string]any{
		"Effect": "Allow", "Principal": "*", "Action": []string{"s3:GetObject"}, "Resource": []string{"arn:aws:s3:::" + env.Bucket + "/*"},
	})
	text, err := json.Marshal(policy)
	Expect(err).NotTo(HaveOccurred())
	_, err = root.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(env.Bucket), Policy: aws.String(string(text))})
	Expect(err).NotTo(HaveOccurred())
}

// expectPullable pulls a path with a stock Nix into an empty store, with signatures required.
func expectPullable(ctx context.Context, storePath string) {
	GinkgoHelper()
	s.Shell(ctx, s.Laptop, `rm -rf /var/tmp/empty && mkdir /var/tmp/empty && nix --extra-experimental-features nix-command copy \
		--option require-sigs true --option trusted-public-keys '`+s.Key+`' --option narinfo-cache-negative-ttl 0 \
		--from `+cacheURL+` --to 'local?root=/var/tmp/empty' `+storePath+` && test -e /var/tmp/empty`+storePath)
}

// named is the path that the manifest in force names for a service; empty for none.
func named(ctx context.Context, service string) string {
	GinkgoHelper()
	found := s.Manifest(ctx).Service(service)
	Expect(found).NotTo(BeNil())
	if !found.HasRelease() {
		return ""
	}
	return found.Artifact.StorePath
}

// elsewhere is a service that no host of the lab runs.
func elsewhere(name string) v1.Service {
	service := stage.Web(name, 8080)
	service.Hosts = []string{"elsewhere"}
	service.HTTP, service.Deploy.Strategy = nil, ""
	return service
}

// keys lists all that the bucket has of people.
func keys(ctx context.Context) string {
	GinkgoHelper()
	list, err := store.List(ctx, "")
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, o := range list {
		if !strings.HasPrefix(o.Key, "status/") { // hosts write when they have something to say
			out = append(out, o.Key+" "+o.ETag)
		}
	}
	return strings.Join(out, "\n")
}
