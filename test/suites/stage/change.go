package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/env"
)

// Overlapping is Web as releases are tried on it: the next one comes up beside the last,
// must be well for half a second, and the last may finish its requests for a whole one.
func Overlapping(name string, port int) v1.Service {
	service := Web(name, port)
	service.Health = &v1.Health{
		Path: "/healthz", Interval: v1.Duration(100 * time.Millisecond),
		Timeout: v1.Duration(2 * time.Second), Deadline: v1.Duration(20 * time.Second),
	}
	service.Deploy = v1.Deploy{
		Strategy: v1.StrategyOverlap, Soak: v1.Duration(time.Second / 2), Drain: v1.Duration(time.Second),
	}
	return service
}

// Change is a release: a service with another store path, and another name to answer with.
// Settings are the program's, as test/closure/program/settings.go names them.
type Change struct {
	Release  string
	Settings map[string]string
	// StorePath is the closure; empty is what the service has.
	StorePath string
}

// Changed is the service as the manifest gets it.
func Changed(service v1.Service, c Change) v1.Service {
	service.Env = maps.Clone(service.Env)
	if service.Env == nil {
		service.Env = map[string]string{}
	}
	service.Env["PROGRAM_RELEASE"] = c.Release
	for key, value := range c.Settings {
		service.Env["PROGRAM_"+strings.ToUpper(strings.ReplaceAll(key, "-", "_"))] = value
	}
	if c.StorePath != "" {
		service.Artifact = &v1.Artifact{StorePath: c.StorePath}
	}
	return service
}

// Carrier is a service that runs nowhere: what is pushed for it is in the cache.
const Carrier = "carrier"

// Carry puts releases into the cache before the first service wants them.
func (s *Stage) Carry(ctx context.Context, releases ...string) {
	GinkgoHelper()
	s.Apply(ctx, v1.Service{Name: Carrier, Hosts: []string{"nowhere"}, Artifact: &v1.Artifact{StorePath: v1.PlaceholderPath}})
	for _, release := range releases {
		s.Push(ctx, Carrier, release)
	}
}

// Apply writes a service into the manifest, whole, and in place of what was there.
func (s *Stage) Apply(ctx context.Context, service v1.Service) {
	GinkgoHelper()
	s.apply(ctx, service)
}

func (s *Stage) apply(ctx context.Context, document any) {
	GinkgoHelper()
	text, err := json.Marshal(document)
	Expect(err).NotTo(HaveOccurred())
	var said bytes.Buffer
	err = s.Laptop.Run(ctx, env.Command{
		Args: []string{"deploy-manifest", "apply", "-f", "-"}, Stdin: bytes.NewReader(text), Stdout: &said, Stderr: &said,
	})
	Expect(err).NotTo(HaveOccurred(), "%s: %s", text, &said)
}

// Rename writes a service under its new name, in one edit with the removal of the old one.
func (s *Stage) Rename(ctx context.Context, old string, service v1.Service) {
	GinkgoHelper()
	s.apply(ctx, map[string]any{
		"version": 1, "services": []v1.Service{service}, "removed": []map[string]string{{"name": old}},
	})
}

// StartService adds a service for now, with a release that is in the cache, and waits until
// it is good.
func (s *Stage) StartService(ctx context.Context, service v1.Service) v1.ServiceState {
	GinkgoHelper()
	DeferCleanup(func(ctx context.Context) {
		if s.Manifest(ctx).Service(service.Name) != nil {
			s.Remove(ctx, service.Name)
		}
	})
	s.Apply(ctx, service)
	return s.WaitGood(ctx, service)
}

// WaitGood waits until a service runs that release, judged good, and nothing else.
func (s *Stage) WaitGood(ctx context.Context, service v1.Service) v1.ServiceState {
	GinkgoHelper()
	revision := service.Release().Revision()
	return s.Await(ctx, service.Name, "Settled on "+describe(service), func(st v1.ServiceState) bool {
		return st.State == v1.Settled && st.Sync == v1.Synced && st.Health == v1.Healthy &&
			st.Serving.Revision == revision && st.Desired.Revision == revision
	})
}

// WaitBad waits until a release was judged bad and the good one before it serves again, and
// gives the verdict.
func (s *Stage) WaitBad(ctx context.Context, bad, good v1.Service) (v1.Verdict, v1.ServiceState) {
	GinkgoHelper()
	st := s.Await(ctx, bad.Name, "back from "+describe(bad), func(st v1.ServiceState) bool {
		v := verdictOn(st, bad)
		return v != nil && st.State == v1.Stalled && st.Serving.Revision == good.Release().Revision()
	})
	Expect(st.Sync).To(Equal(v1.OutOfSync))
	Expect(st.Reason).To(Equal("RolledBack"), st.Message)
	return *verdictOn(st, bad), st
}

func verdictOn(st v1.ServiceState, service v1.Service) *v1.Verdict {
	for i, v := range st.Verdicts {
		if strings.HasPrefix(v.Instance, service.Release().Revision()+"-") && v.Result == v1.VerdictBad {
			return &st.Verdicts[i]
		}
	}
	return nil
}

// describe is a release for the text of failures.
func describe(service v1.Service) string {
	return fmt.Sprintf("%s (%s)", service.Release().Revision(), service.Env["PROGRAM_RELEASE"])
}
