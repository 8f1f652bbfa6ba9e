package control_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/control"
	"deployer/controllers"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

func TestControl(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "cmd/internal/control")
}

// served is a host with a worker web of which the wanted release was judged bad, behind the
// real server on a real socket.
func served(ctx SpecContext) (*control.Client, *fake.World, string) {
	GinkgoHelper()
	const path = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1"
	w := fake.New()
	w.Publish(path)
	r := manifest.NewRepository(manifest.Options{Objects: w.Store(), StoreName: "s3://b"})
	_, err := r.Init(ctx, manifest.EditOptions{})
	Expect(err).NotTo(HaveOccurred())
	_, err = r.Edit(ctx, manifest.EditOptions{By: "ann@laptop"}, func(m *v1.Manifest) error {
		manifest.Put(m, v1.Service{Name: "web", Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: path}})
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	set := controllers.New(controllers.Options{Host: w.Host(), HostName: "biz", Repository: r, Now: w.Clock.Now})
	_, err = set.Source.Sync(ctx)
	Expect(err).NotTo(HaveOccurred())
	_, _ = set.Services.Reconcile(ctx, "web")
	wanted := set.Source.Lookup("web")
	instance := v1.Instance{Revision: wanted.Revision, Secrets: v1.NoSecrets}
	Expect(w.Host().Releases.Stage(ctx, providers.StageRequest{Instance: instance, Release: wanted.Release})).To(Succeed())
	Expect(w.Host().Releases.Judge(ctx, "web", v1.Verdict{Instance: instance.String(), Result: v1.VerdictBad, Reason: "Exited"})).To(Succeed())

	dir, err := os.MkdirTemp("", "control-") // short: a socket's path may have 107 bytes
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	socket := filepath.Join(dir, "control.sock")
	serving, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	server := &control.Server{Set: set, States: w.Host().States, Metrics: http.NotFoundHandler()}
	go func() { ended <- server.Serve(serving, socket) }()
	DeferCleanup(func() {
		stop()
		Expect(<-ended).To(Succeed())
	})
	Eventually(socket).WithTimeout(5 * time.Second).Should(BeAnExistingFile())
	return control.NewClient(socket), w, instance.String()
}

var _ = Describe("what people ask over the control socket", func() {
	It("is answered by the controllers: retry", func(ctx SpecContext) {
		c, w, instance := served(ctx)
		answer, err := c.Retry(ctx, "web", "ann@biz")
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Verdict.Instance).To(Equal(instance))
		facts, err := w.Host().Releases.Observe(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Staged[instance].Verdict).To(BeNil())
		_, err = c.Retry(ctx, "web", "ann@biz")
		Expect(providers.ReasonOf(err)).To(Equal("NothingToRetry"))
		Expect(err).To(MatchError(ContainSubstring("was not judged bad")))
	})

	It("is answered by the controllers: hold and unhold", func(ctx SpecContext) {
		c, w, _ := served(ctx)
		until := w.Clock.Now().Add(time.Hour)
		hold := v1.Hold{Owner: "ann@biz", Reason: "a \"load\" test & more", Until: &until}
		Expect(c.Hold(ctx, "web", hold)).To(BeZero())
		Expect(w.Host().Holds.Holds(ctx)).To(HaveKeyWithValue("web", hold))
		Expect(c.Hold(ctx, "web", hold)).To(HaveField("Before", HaveValue(Equal(hold))))
		facts, err := c.Why(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.HostHold).To(HaveValue(Equal(hold)))
		_, err = c.Retry(ctx, "web", "ann@biz")
		Expect(providers.ReasonOf(err)).To(Equal("Held"))
		Expect(c.Unhold(ctx, "web", "bob@biz")).To(HaveField("Was", HaveValue(Equal(hold))))
		Expect(w.Host().Holds.Holds(ctx)).To(BeEmpty())
		_, err = c.Hold(ctx, "nope", hold)
		Expect(providers.ReasonOf(err)).To(Equal(controllers.ServiceUnknown))
		_, err = c.Hold(ctx, "web", v1.Hold{})
		Expect(providers.ReasonOf(err)).To(Equal("HoldInvalid"))
	})

	It("is answered by the controllers: history and why", func(ctx SpecContext) {
		c, w, instance := served(ctx)
		d := v1.Deployment{Service: "web", Began: w.Clock.Now().Add(-time.Hour), Outcome: v1.OutcomeFailed}
		Expect(w.Host().History.SaveDeployment(ctx, d)).To(Succeed())
		Expect(c.History(ctx, "web")).To(HaveField("Deployments", ContainElement(d)))
		facts, err := c.Why(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Verdicts).To(HaveExactElements(HaveField("Instance", instance)))
		Expect(facts.Deployments).To(ContainElement(d))
		Expect(facts.Manifest.UpdatedBy).To(Equal("ann@laptop"))
	})

	It("names the way out when the daemon is older than the command", func(ctx SpecContext) {
		socket := filepath.Join(GinkgoT().TempDir(), "s")
		old := httptest.NewUnstartedServer(http.NotFoundHandler())
		listener, err := net.Listen("unix", socket)
		Expect(err).NotTo(HaveOccurred())
		old.Listener = listener
		old.Start()
		DeferCleanup(old.Close)
		_, err = control.NewClient(socket).Why(ctx, "web")
		Expect(err).To(MatchError(ContainSubstring("systemctl restart biz-deployer")))
	})
})
