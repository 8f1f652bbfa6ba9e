package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/env"
)

// Patience bounds every wait of the suites.
const Patience = 30 * time.Second

// every is how often a wait looks.
const every = 50 * time.Millisecond

// HostState is what `deployerctl status -o json` shows on biz.
func (s *Stage) HostState(ctx context.Context) (v1.HostState, error) { return StateOf(ctx, s.Biz) }

// errNotLive: the daemon is down, and what it wrote last proves nothing.
var errNotLive = errors.New("the daemon does not run")

// StateOf is what `deployerctl status -o json` shows on a host whose daemon runs.
func StateOf(ctx context.Context, host *env.Host) (v1.HostState, error) {
	var state v1.HostState
	out, said, err := host.Exec(ctx, "deployerctl", "status", "-o", "json")
	switch {
	case out == "":
		return state, err
	case said != "":
		return state, fmt.Errorf("%w: %s", errNotLive, said)
	}
	if err := json.Unmarshal([]byte(out), &state); err != nil {
		return state, fmt.Errorf("%w in %s", err, out)
	}
	return state, nil
}

var errNoService = errors.New("the host does not know this service")

// Service is what the status of biz says of one service.
func (s *Stage) Service(ctx context.Context, name string) (v1.ServiceState, error) {
	state, err := s.HostState(ctx)
	if err != nil {
		return v1.ServiceState{}, err
	}
	for _, service := range state.Services {
		if service.Name == name {
			return service, nil
		}
	}
	return v1.ServiceState{}, errNoService
}

// Await waits until what biz says of a service is as wanted, and gives it.
func (s *Stage) Await(ctx context.Context, name, what string, wanted func(v1.ServiceState) bool) v1.ServiceState {
	GinkgoHelper()
	var last v1.ServiceState
	Eventually(ctx, func(g Gomega, ctx context.Context) {
		var err error
		last, err = s.Service(ctx, name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(wanted(last)).To(BeTrue(), "%s is to be %s, and is %s, %s, %s: %s: %s",
			name, what, last.State, last.Sync, last.Health, last.Reason, last.Message)
	}).WithTimeout(Patience).WithPolling(every).Should(Succeed())
	return last
}

// WaitSettled waits until a service runs what the manifest in the store wants of it now.
func (s *Stage) WaitSettled(ctx context.Context, name string) v1.ServiceState {
	GinkgoHelper()
	s.WaitGeneration(ctx)
	wanted := s.Manifest(ctx).Service(name)
	Expect(wanted).NotTo(BeNil(), "the manifest has no service %s", name)
	return s.Await(ctx, name, "Settled on "+wanted.Artifact.StorePath, func(st v1.ServiceState) bool {
		return st.State == v1.Settled && st.Sync == v1.Synced && st.Health == v1.Healthy &&
			st.Desired.Instance == st.Serving.Instance && st.Serving.StorePath == wanted.Artifact.StorePath
	})
}

// WaitReason waits until a service gives the reason.
func (s *Stage) WaitReason(ctx context.Context, name, reason string) v1.ServiceState {
	GinkgoHelper()
	return s.Await(ctx, name, "with reason "+reason, func(st v1.ServiceState) bool { return st.Reason == reason })
}

// WaitGone waits until biz does not know a service any more.
func (s *Stage) WaitGone(ctx context.Context, name string) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		_, err := s.Service(ctx, name)
		return err
	}).WithTimeout(Patience).WithPolling(every).Should(MatchError(errNoService))
}

// WaitGeneration waits until biz obeys the generation that the store has.
func (s *Stage) WaitGeneration(ctx context.Context) {
	GinkgoHelper()
	wanted := s.Manifest(ctx).Generation
	Eventually(ctx, func(ctx context.Context) (int64, error) {
		state, err := s.HostState(ctx)
		return state.ObservedGeneration, err
	}).WithTimeout(Patience).WithPolling(every).Should(BeNumerically(">=", wanted))
}

// Manifest is what `deploy-manifest show` prints.
func (s *Stage) Manifest(ctx context.Context) *v1.Manifest {
	GinkgoHelper()
	out, _, err := s.Laptop.Exec(ctx, "deploy-manifest", "show", "-o", "json")
	Expect(err).NotTo(HaveOccurred())
	m, err := v1.Decode([]byte(out))
	Expect(err).NotTo(HaveOccurred(), out)
	return m
}
