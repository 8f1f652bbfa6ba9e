package trouble_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/env"
	"deployer/test/suites/stage"
)

const (
	daemon     = "biz-deployer.service"
	configFile = "/etc/biz-deployer/config.yaml"
)

// badStores are wrong in one way each; says is part of the sentence, in the command as in
// status, and reason the word in status.
var badStores = []struct{ what, url, says, reason string }{
	{"a bucket that is not there", "s3://nowhere?endpoint=s3:7070&profile=deployer&scheme=http", "bucket", "NoSuchBucket"},
	{"a wrong secret key", "s3://deployer?endpoint=s3:7070&profile=wrong&scheme=http", "secret key", "CredentialsInvalid"},
	{"a profile that nobody wrote", "s3://deployer?endpoint=s3:7070&profile=nobody&scheme=http", "nobody", "CredentialsMissing"},
	{"an endpoint where nothing listens", "s3://deployer?endpoint=s3:7071&profile=deployer&scheme=http", "nothing listens at", "StoreUnreachable"},
	{"an endpoint that has no address", "s3://deployer?endpoint=no.such.host:7070&profile=deployer&scheme=http", "no.such.host", "StoreUnreachable"},
	{"https where http is spoken", "s3://deployer?endpoint=s3:7070&profile=deployer", "scheme=http", "StoreUnreachable"},
}

const wrongProfile = "\n[wrong]\naws_access_key_id = %s\naws_secret_access_key = wrong\n"

func addWrongProfile(ctx context.Context, host *env.Host, user string) {
	GinkgoHelper()
	file := "/root/.aws/credentials"
	now, err := host.Read(ctx, file)
	Expect(err).NotTo(HaveOccurred())
	if strings.Contains(string(now), "[wrong]") {
		return
	}
	now = append(now, strings.ReplaceAll(wrongProfile, "%s", user)...)
	Expect(host.Write(ctx, file, now, 0o600)).To(Succeed())
}

var _ = Describe("A store that is not there", Ordered, func() {
	It("is named by the commands in one sentence", func(ctx SpecContext) {
		addWrongProfile(ctx, s.Laptop, env.Writer)
		for _, bad := range badStores {
			By(bad.what)
			for _, args := range [][]string{
				{"deploy-manifest", "show"},
				{"deploy-manifest", "list"},
				{"deploy-push", steady, s.Release(ctx, "two")},
			} {
				stage.Within(2*time.Second, bad.what+": "+args[0], func() {
					said := s.Refuses(ctx, s.Laptop, 1, append(args, "--store", bad.url)...)
					Expect(said).To(ContainSubstring(bad.says))
				})
			}
		}
		for url, remedy := range map[string]string{
			"gs://deployer": "s3://bucket", "deployer": "s3://bucket", "s3://": "bucket", "file://relative": "file:///relative",
			"s3://deployer?endpiont=s3:7070": "endpoint",
		} {
			By(url)
			said := s.Refuses(ctx, s.Laptop, 2, "deploy-manifest", "show", "--store", url)
			Expect(said).To(And(ContainSubstring(remedy), ContainSubstring("--store")))
		}
	})

	It("is named in status, while what runs goes on", func(ctx SpecContext) {
		addWrongProfile(ctx, s.Biz, env.HostUser("biz"))
		good, err := s.Biz.Read(ctx, configFile)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) {
			Expect(s.Biz.Write(ctx, configFile, good, 0o644)).To(Succeed())
			s.OK(ctx, s.Biz, "systemctl", "restart", daemon)
			s.WaitSettled(ctx, steady)
		})
		for _, bad := range badStores {
			By(bad.what)
			setStore(ctx, good, bad.url)
			s.OK(ctx, s.Biz, "systemctl", "restart", daemon)
			Eventually(ctx, func(g Gomega) {
				state, err := s.HostState(ctx)
				g.Expect(err).NotTo(HaveOccurred())
				read := v1.FindCondition(state.Conditions, "ManifestRead")
				g.Expect(read).NotTo(BeNil())
				g.Expect(read.Reason).To(Equal(bad.reason), read.Message)
				g.Expect(read.Message).To(ContainSubstring(bad.says))
				g.Expect(state.Services).To(ContainElement(And(HaveField("Name", steady), HaveField("State", v1.Settled))))
			}).WithTimeout(stage.Patience).Should(Succeed())
			status := s.Run(ctx, s.Biz, "deployerctl", "status")
			Expect(status.Code).To(Equal(4), status.String())
			Expect(status.Out).To(And(ContainSubstring("MANIFEST STALE"), ContainSubstring(bad.reason)))
		}
	})

	It("of an unknown kind keeps the daemon from starting, with the sentence in its journal", func(ctx SpecContext) {
		good, err := s.Biz.Read(ctx, configFile)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) {
			Expect(s.Biz.Write(ctx, configFile, good, 0o644)).To(Succeed())
			s.OK(ctx, s.Biz, "systemctl", "restart", daemon)
			s.WaitSettled(ctx, steady)
		})
		setStore(ctx, good, "gs://deployer")
		s.Run(ctx, s.Biz, "systemctl", "restart", daemon)
		Eventually(ctx, func() (string, error) { return s.Biz.Journal(ctx, daemon) }).WithTimeout(stage.Patience).
			Should(MatchRegexp(`biz-deployer: .*store: .*unknown scheme "gs"`))
		said := s.Refuses(ctx, s.Biz, 2, "biz-deployer", "--once")
		Expect(said).To(ContainSubstring("s3://"))
		r := s.Run(ctx, s.Biz, "deployerctl", "status")
		Expect(r.Code).To(Equal(4), r.String())
	})
})

// setStore writes biz's configuration with another store.
func setStore(ctx context.Context, config []byte, url string) {
	GinkgoHelper()
	var lines []string
	for _, line := range strings.Split(string(config), "\n") {
		if strings.HasPrefix(line, "store: ") {
			line = "store: '" + url + "'"
		}
		lines = append(lines, line)
	}
	Expect(s.Biz.Write(ctx, configFile, []byte(strings.Join(lines, "\n")), 0o644)).To(Succeed())
}
