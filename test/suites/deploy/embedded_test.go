package deploy_test

import (
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/closure"
	"deployer/test/env"
	"deployer/test/suites/stage"
)

var _ = Describe("One machine without S3", Ordered, func() {
	const (
		name  = "alone"
		store = "file:///var/lib/biz-deployer/store"
	)
	var solo *env.Host

	BeforeAll(func(ctx SpecContext) {
		key, err := s.Laptop.Read(ctx, "/root/.config/deployer/"+stage.KeyName+".secret")
		Expect(err).NotTo(HaveOccurred())
		config := stage.Quick()
		config["store"] = nil // the daemon's own default
		solo, err = s.Lab.Up(ctx, "solo", env.HostOptions{
			TrustedPublicKeys: []string{s.Key}, Config: config,
			Files: []env.File{{Path: "/root/.config/deployer/" + stage.KeyName + ".secret", Data: key, Mode: 0o600}},
		})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) { Expect(solo.Down(ctx)).To(Succeed()) })
	})
	JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx, solo) })

	settled := func(ctx SpecContext, storePath string) {
		GinkgoHelper()
		Eventually(ctx, func(g Gomega) {
			state, err := stage.StateOf(ctx, solo)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(state.Services).To(HaveLen(1))
			st := state.Services[0]
			g.Expect([]any{st.State, st.Health, st.Serving.StorePath}).To(Equal([]any{v1.Settled, v1.Healthy, storePath}), st.Message)
		}).WithTimeout(stage.Patience).Should(Succeed())
	}

	It("has no store before init, and says so", func(ctx SpecContext) {
		said := s.Refuses(ctx, solo, 2, "deploy-manifest", "show")
		Expect(said).To(ContainSubstring("no store is given"))
		Expect(s.Run(ctx, solo, "deployerctl", "status").Code).To(Equal(4))
		Eventually(ctx, func() string { return s.Run(ctx, solo, "deployerctl", "status").Out }).
			WithTimeout(stage.Patience).Should(And(ContainSubstring("no manifest has been read yet"), ContainSubstring("deploy-manifest init")))
	})

	It("uses the embedded store after init", func(ctx SpecContext) {
		Expect(s.OK(ctx, solo, "deploy-manifest", "init")).To(ContainSubstring(store))
		service := stage.Web(name, 8080)
		service.Hosts = []string{"solo"}
		text, err := json.Marshal(service)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.OK(ctx, solo, "deploy-manifest", "add-service", string(text))).To(ContainSubstring(store))
	})

	It("deploys what is pushed into its own cache", func(ctx SpecContext) {
		path := s.Build(ctx, solo, closure.Spec{Name: "app", Release: "one"})
		s.OK(ctx, solo, "deploy-push", name, path)
		stage.Within(2*time.Second, "push to file:// → settled", func() { settled(ctx, path) })
		Expect(s.OK(ctx, solo, "curl", "-fsSk", "--resolve", stage.Domain(name)+":443:127.0.0.1", "https://"+stage.Domain(name)+"/")).To(Equal("one\n"))
		Expect(s.Run(ctx, solo, "deployerctl", "status").Code).To(Equal(0))
	})

	It("pulls from the cache what its Nix store has lost", func(ctx SpecContext) {
		path := s.Build(ctx, solo, closure.Spec{Name: "app", Release: "two"})
		s.OK(ctx, solo, "systemctl", "stop", "biz-deployer")
		s.OK(ctx, solo, "deploy-push", name, path)
		s.OK(ctx, solo, "env", "NIX_REMOTE=local", "nix-store", "--delete", "--ignore-liveness", path)
		Expect(s.Run(ctx, solo, "test", "-e", path).Code).To(Equal(1))
		s.OK(ctx, solo, "systemctl", "start", "biz-deployer")
		settled(ctx, path)
	})

	It("is checked by doctor, closure and host", func(ctx SpecContext) {
		r := s.Run(ctx, solo, "deployerctl", "doctor", "-o", "json")
		var findings []struct {
			Check, Message string
			OK             bool
		}
		Expect(json.Unmarshal([]byte(r.Out), &findings)).To(Succeed(), r.String())
		for _, f := range findings {
			// The clock is the outer machine's, and nobody says that it is synchronised.
			if f.Check != "clock" {
				Expect(f.OK).To(BeTrue(), "%s: %s", f.Check, f.Message)
			}
		}
		Expect(r.Out).To(ContainSubstring("status/solo.json can be written"))
		out := s.OK(ctx, solo, "deployerctl", "doctor", s.Build(ctx, solo, closure.Spec{Name: "app", Release: "two"}))
		Expect(out).To(ContainSubstring(stage.KeyName))
	})

	It("finds a file of a release that was altered, repairs it, and restarts nothing", func(ctx SpecContext) {
		deep := func(more ...string) stage.Result {
			GinkgoHelper()
			return s.Run(ctx, solo, append([]string{"deployerctl", "doctor", "--deep"}, more...)...)
		}
		Expect(deep().Out).To(ContainSubstring("have the content that was registered"))
		pid := s.OK(ctx, solo, "systemctl", "show", name, "--property=MainPID")
		file := strings.TrimSpace(s.OK(ctx, solo, "sh", "-c",
			`f=$(NIX_REMOTE=local nix-store --query --requisites /var/lib/biz-deployer/releases/`+name+`/primary/root | grep -e '-greeting$') && `+
				`chmod u+w "$f" && printf altered >> "$f" && chmod u-w "$f" && echo "$f"`))
		found := deep()
		Expect(found.Code).To(Equal(3), found.String())
		Expect(found.Out).To(And(ContainSubstring("was altered: their hash is"), ContainSubstring("deployerctl doctor --deep --repair")))
		Expect(deep("--repair").Out).To(ContainSubstring("repaired from the cache"))
		Expect(s.OK(ctx, solo, "cat", file)).NotTo(HaveSuffix("altered"))
		Expect(deep().Out).To(ContainSubstring("have the content that was registered"))
		Expect(s.OK(ctx, solo, "systemctl", "show", name, "--property=MainPID")).To(Equal(pid))
	})
})
