package controllers_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

func TestControllers(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "controllers")
}

const (
	storePath   = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1"
	secretsPath = "/var/lib/biz-secrets/web.env"
)

// rig is a host with its controllers, and a manifest in the store.
type rig struct {
	*fake.World
	*controllers.Set
	repository *manifest.Repository
}

func newRig(ctx context.Context) *rig {
	GinkgoHelper()
	w := fake.New()
	g := &rig{World: w, repository: manifest.NewRepository(manifest.Options{Objects: w.Store(), StoreName: "s3://b", Now: w.Clock.Now})}
	_, err := g.repository.Init(ctx, manifest.EditOptions{By: "ann@laptop"})
	Expect(err).NotTo(HaveOccurred())
	w.Publish(storePath)
	w.SecretsFiles[secretsPath] = fake.SecretsFile{Content: "TOKEN=one", Mode: 0o600}
	g.restart(ctx)
	return g
}

// restart is a new daemon on the same host.
func (g *rig) restart(ctx context.Context) {
	GinkgoHelper()
	g.Set = controllers.New(controllers.Options{
		Host: g.Host(), HostName: "biz", Repository: g.repository, Now: g.Clock.Now, Workers: 1,
	})
	Expect(g.Load(ctx)).To(Succeed())
}

// write edits the manifest, and lets the host see it.
func (g *rig) write(ctx context.Context, edit func(m *v1.Manifest)) {
	GinkgoHelper()
	_, err := g.repository.Edit(ctx, manifest.EditOptions{By: "ann@laptop", Message: "because", AllowMassRemoval: true}, func(m *v1.Manifest) error {
		edit(m)
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	_, err = g.Source.Sync(ctx)
	Expect(err).NotTo(HaveOccurred())
}

// web is a worker with secrets.
func (g *rig) web(ctx context.Context) {
	g.write(ctx, func(m *v1.Manifest) {
		manifest.Put(m, v1.Service{Name: "web", Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: storePath}, EnvFile: secretsPath})
	})
}

// pass is one pass of the service.
func (g *rig) pass(ctx context.Context, name string) {
	GinkgoHelper()
	_, _ = g.Services.Reconcile(ctx, name)
}

// instance is what the manifest wants of web now.
func (g *rig) instance(ctx context.Context) v1.Instance {
	GinkgoHelper()
	secret, err := g.Host().Secrets.Read(ctx, secretsPath)
	Expect(err).NotTo(HaveOccurred())
	return v1.Instance{Revision: g.Source.Lookup("web").Revision, Secrets: secret.Fingerprint}
}

// judge stages what the manifest wants of web, and judges it.
func (g *rig) judge(ctx context.Context, result v1.VerdictResult) string {
	GinkgoHelper()
	i := g.instance(ctx)
	Expect(g.Host().Releases.Stage(ctx, providers.StageRequest{Instance: i, Release: g.Source.Lookup("web").Release})).To(Succeed())
	Expect(g.Host().Releases.Judge(ctx, "web", v1.Verdict{
		Instance: i.String(), Result: result, At: g.Clock.Now(), Reason: "Exited", Message: "it ended by itself",
	})).To(Succeed())
	return i.String()
}

// queued reports whether a pass was asked for.
func (g *rig) queued() int {
	n, _ := g.Engine.Queued()
	return n
}

// events are the reasons that were recorded of web.
func (g *rig) events(ctx context.Context) []string {
	GinkgoHelper()
	all, err := g.Host().States.Events(ctx, "web")
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, e := range all {
		out = append(out, e.Reason+": "+e.Message)
	}
	return out
}
