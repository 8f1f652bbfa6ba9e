package trouble_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/env"
	"deployer/test/suites/stage"
)

const key = "manifest.json"

func getManifest(ctx context.Context) []byte {
	GinkgoHelper()
	got, err := s.Lab.S3.Client(env.Writer).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(env.Bucket), Key: aws.String(key)})
	Expect(err).NotTo(HaveOccurred())
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	Expect(err).NotTo(HaveOccurred())
	return data
}

// putManifest writes the object as somebody without deploy-manifest would.
func putManifest(ctx context.Context, data []byte) {
	GinkgoHelper()
	_, err := s.Lab.S3.Client(env.Writer).PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(env.Bucket), Key: aws.String(key), Body: bytes.NewReader(data),
	})
	Expect(err).NotTo(HaveOccurred())
}

func deleteManifest(ctx context.Context) {
	GinkgoHelper()
	_, err := s.Lab.S3.Client(env.Writer).DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(env.Bucket), Key: aws.String(key)})
	Expect(err).NotTo(HaveOccurred())
}

// waitStale waits until biz says why it does not obey what the store has, and what runs is
// still there.
func waitStale(ctx context.Context, reason string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		state, err := s.HostState(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		read := v1.FindCondition(state.Conditions, "ManifestRead")
		g.Expect(read).NotTo(BeNil())
		g.Expect(read.Reason).To(Equal(reason), read.Message)
		g.Expect(state.Manifest.StaleSince).NotTo(BeNil())
		g.Expect(state.Services).To(ContainElement(And(HaveField("Name", steady), HaveField("State", v1.Settled))))
	}).WithTimeout(stage.Patience).Should(Succeed())
	status := s.Run(ctx, s.Biz, "deployerctl", "status")
	Expect(status.Code).To(Equal(4), status.String())
	Expect(status.Out).To(And(ContainSubstring("MANIFEST STALE"), ContainSubstring(reason)))
}

// waitFresh expects that biz obeys the store's content again soon.
func waitFresh(ctx context.Context) {
	GinkgoHelper()
	stage.Within(5*time.Second, "fault gone → in force", func() {
		Eventually(ctx, func() (*time.Time, error) {
			state, err := s.HostState(ctx)
			return state.Manifest.StaleSince, err
		}).WithTimeout(stage.Patience).Should(BeNil())
		s.WaitSettled(ctx, steady)
	})
}

var _ = Describe("The manifest", func() {
	It("survives F1: with the store down everything goes on, and heals, and status says since when", func(ctx SpecContext) {
		s.Deploy(ctx, stage.Web("healed", 8201), "one")
		Expect(s.Lab.S3.Stop(ctx)).To(Succeed())
		Eventually(ctx, func() string { return s.Run(ctx, s.Biz, "deployerctl", "status").Out }).
			WithTimeout(stage.Patience).Should(MatchRegexp(`MANIFEST STALE for \d+s: StoreUnreachable: `))
		s.OK(ctx, s.Biz, "systemctl", "stop", "healed")
		DeferCleanup(func(ctx SpecContext) { Expect(s.Lab.S3.Start(ctx)).To(Succeed()) })
		s.WaitAnswer(ctx, "healed", "one")
		said := s.Refuses(ctx, s.Laptop, 1, "deploy-manifest", "show")
		Expect(said).To(ContainSubstring("nothing listens at"))
		Expect(s.Lab.S3.Start(ctx)).To(Succeed())
		waitFresh(ctx)
	})

	It("survives F4: deleted, or replaced by a web page, it removes nothing", func(ctx SpecContext) {
		good := getManifest(ctx)
		DeferCleanup(func(ctx SpecContext) { putManifest(ctx, good) })
		deleteManifest(ctx)
		waitStale(ctx, "ManifestMissing")
		Expect(s.Refuses(ctx, s.Laptop, 1, "deploy-manifest", "show")).To(ContainSubstring("deploy-manifest init"))
		putManifest(ctx, []byte("<html><body>Please log in</body></html>"))
		waitStale(ctx, "ManifestInvalid")
		Expect(s.Refuses(ctx, s.Laptop, 1, "deploy-manifest", "show")).To(ContainSubstring("manifest.json is not a usable manifest"))
		putManifest(ctx, good)
		waitFresh(ctx)
	})

	It("survives F6: an older one that is put back is not obeyed, also after state.json was lost", func(ctx SpecContext) {
		old := getManifest(ctx)
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", steady, "health.rise=3")
		s.WaitSettled(ctx, steady)
		newest := getManifest(ctx)
		DeferCleanup(func(ctx SpecContext) { putManifest(ctx, newest) })
		putManifest(ctx, old)
		waitStale(ctx, "GenerationReplayed")
		s.Shell(ctx, s.Biz, "systemctl stop biz-deployer; rm /var/lib/biz-deployer/state.json; systemctl start biz-deployer")
		waitStale(ctx, "GenerationReplayed")
		forged := bytes.Replace(newest, []byte(`"rise": 3`), []byte(`"rise": 4`), 1)
		Expect(forged).NotTo(Equal(newest), string(newest))
		putManifest(ctx, forged)
		waitStale(ctx, "GenerationForked")
		putManifest(ctx, newest)
		waitFresh(ctx)
	})

	It("survives F10: emptied it removes nothing; another lineage waits for adopt", func(ctx SpecContext) {
		m := s.Manifest(ctx)
		emptied := fmt.Sprintf(`{"signatures":[],"manifest":{"version":1,"lineage":%q,"generation":%d,"services":[]}}`, m.Lineage, m.Generation+1)
		putManifest(ctx, []byte(emptied))
		st := s.Await(ctx, steady, "Unlisted", func(st v1.ServiceState) bool { return st.State == v1.Unlisted })
		Expect(st.Sync).To(Equal(v1.SyncUnknown))
		Expect(st.Message).To(ContainSubstring("deploy-manifest remove-service " + steady))
		Expect(s.Run(ctx, s.Biz, "deployerctl", "status").Code).To(Equal(4))

		By("a new lineage")
		deleteManifest(ctx)
		s.OK(ctx, s.Laptop, "deploy-manifest", "init", "--new-lineage")
		Eventually(ctx, func() string { return s.Run(ctx, s.Biz, "deployerctl", "status").Out }).
			WithTimeout(stage.Patience).Should(And(ContainSubstring("LineageChanged"), ContainSubstring("deployerctl adopt")))
		Expect(s.OK(ctx, s.Biz, "deployerctl", "adopt")).To(ContainSubstring("generation 1"))
		pid := s.Shell(ctx, s.Biz, "systemctl show -P MainPID "+steady)
		again := stage.Web(steady, 8200)
		again.Artifact.StorePath = s.Release(ctx, "one")
		s.Add(ctx, again)
		s.WaitSettled(ctx, steady)
		Expect(s.Shell(ctx, s.Biz, "systemctl show -P MainPID "+steady)).To(Equal(pid), "the service is as it was, and must not be restarted")
	})

	It("with five mistakes is refused with all five, by path", func(ctx SpecContext) {
		before := getManifest(ctx)
		bad := `
version: 1
services:
  - name: Bad_Name
    hosts: [biz]
  - name: ports
    hosts: [biz]
    http: {domain: "*.example.com", internalPort: 70000}
  - name: paths
    hosts: [biz]
    artifact: {storePath: /usr/bin/paths}
    envFile: /etc/passwd
  - name: typo
    host: [biz]
`
		Expect(s.Laptop.Write(ctx, "/root/bad.yaml", []byte(bad), 0o644)).To(Succeed())
		for _, command := range []string{"validate", "apply"} {
			r := s.Run(ctx, s.Laptop, "deploy-manifest", command, "-f", "/root/bad.yaml")
			Expect(r.Code).To(Equal(2), r.String())
			for _, path := range []string{
				"services[0].name", "services[1].http.domain", "services[1].http.internalPort",
				"services[2].artifact.storePath", "services[2].envFile", "services[3].host",
			} {
				Expect(r.Err).To(ContainSubstring(path), command)
			}
			Expect(r.Err).To(ContainSubstring("hosts"), "the nearest known name is suggested")
		}
		Expect(getManifest(ctx)).To(Equal(before))
	})

	It("survives F8: two writers in a loop lose no edit, and archive every version", func(ctx SpecContext) {
		const each = 25
		before := s.Manifest(ctx)
		archived := len(strings.Fields(s.OK(ctx, s.Laptop, "deploy-manifest", "list")))
		for _, writer := range []string{"writer-a", "writer-b"} {
			service := stage.Web(writer, 0)
			service.HTTP, service.Env, service.Hosts = nil, nil, []string{"nowhere"}
			s.AddForNow(ctx, service)
		}
		stage.Within(10*time.Second, "2×25 edits at once", func() {
			var writers sync.WaitGroup
			for _, writer := range []string{"writer-a", "writer-b"} {
				writers.Go(func() {
					defer GinkgoRecover()
					s.Shell(ctx, s.Laptop, fmt.Sprintf(
						"for i in $(seq %d); do deploy-manifest set %s env.V$i=$i || exit 1; done", each, writer))
				})
			}
			writers.Wait()
		})
		after := s.Manifest(ctx)
		for _, writer := range []string{"writer-a", "writer-b"} {
			Expect(after.Service(writer).Env).To(HaveLen(each), writer)
		}
		Expect(after.Generation).To(Equal(before.Generation + 2 + 2*each))
		Expect(strings.Fields(s.OK(ctx, s.Laptop, "deploy-manifest", "list"))).To(HaveLen(archived + 2 + 2*each))
	})
})
