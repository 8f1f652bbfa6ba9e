package stage

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

// soak is short: a suite that waited 10 s for each release would test patience.
const soak = v1.Duration(300 * time.Millisecond)

// Web is a service with a route to <name>.example.com, without a release yet.
func Web(name string, port int) v1.Service {
	return v1.Service{
		Name: name, Hosts: []string{"biz"},
		Artifact: &v1.Artifact{StorePath: v1.PlaceholderPath},
		Exec:     v1.Exec{Command: v1.Command{"bin/" + app}},
		Env:      map[string]string{"PORT": strconv.Itoa(port)},
		HTTP:     &v1.HTTP{Domain: Domain(name), InternalPort: port},
		Health:   &v1.Health{Interval: v1.Duration(100 * time.Millisecond), Deadline: v1.Duration(10 * time.Second)},
		Deploy:   v1.Deploy{Strategy: v1.StrategyReplace, Soak: soak},
	}
}

// Domain is what the service of that name is reached by.
func Domain(name string) string { return name + ".example.com" }

// Add adds a service with deploy-manifest.
func (s *Stage) Add(ctx context.Context, service v1.Service) {
	GinkgoHelper()
	text, err := json.Marshal(service)
	Expect(err).NotTo(HaveOccurred())
	s.OK(ctx, s.Laptop, "deploy-manifest", "add-service", string(text))
}

// AddForNow adds a service that is gone again at the end of the spec or container, however
// that ends.
func (s *Stage) AddForNow(ctx context.Context, service v1.Service) {
	GinkgoHelper()
	DeferCleanup(func(ctx context.Context) {
		if s.Manifest(ctx).Service(service.Name) != nil {
			s.Remove(ctx, service.Name)
		}
	})
	s.Add(ctx, service)
}

// Push builds a release on the laptop and pushes it.
func (s *Stage) Push(ctx context.Context, name, release string) {
	GinkgoHelper()
	s.OK(ctx, s.Laptop, "deploy-push", name, s.Release(ctx, release))
}

// Deploy adds a service for now, and brings its release up.
func (s *Stage) Deploy(ctx context.Context, service v1.Service, release string) {
	GinkgoHelper()
	s.AddForNow(ctx, service)
	s.Push(ctx, service.Name, release)
	s.WaitSettled(ctx, service.Name)
	if service.HTTP != nil {
		s.WaitAnswer(ctx, service.Name, release)
	}
}

// Remove removes a service and waits until the host does not know it any more.
func (s *Stage) Remove(ctx context.Context, name string) {
	GinkgoHelper()
	s.OK(ctx, s.Laptop, "deploy-manifest", "remove-service", name)
	s.WaitGone(ctx, name)
}
