// Two hosts and one store, and what people hear of them without SSH: reports, waiting for
// verdicts, a canary, and a release that was bad on one host and is tried on no other.
package fleet_test

import (
	"context"
	"encoding/json"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/fleet"
	"deployer/test/closure"
	"deployer/test/env"
	"deployer/test/suites/stage"
)

func TestFleet(t *testing.T) {
	stage.Run(t, "fleet")
}

// told is where biz writes what people are to hear.
const told = "/var/lib/biz-deployer/told"

// s is the stage, ava its second host.
var (
	s   *stage.Stage
	ava *env.Host
)

var _ = BeforeSuite(func(ctx SpecContext) {
	config := stage.Quick()
	config["notify"] = map[string]any{"command": []string{"/bin/sh", "-c", "cat >>" + told + "; echo >>" + told}}
	s = stage.New(ctx, stage.Options{Config: config})
	var err error
	ava, err = s.Lab.Up(ctx, "ava", env.HostOptions{TrustedPublicKeys: []string{s.Key}, Config: stage.Quick()})
	Expect(err).NotTo(HaveOccurred())
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx, ava) })

// build makes a release on the laptop, good or bad by its settings.
func build(ctx context.Context, release string, settings map[string]string) string {
	GinkgoHelper()
	return s.Build(ctx, s.Laptop, closure.Spec{Name: "app", Release: release, Settings: settings})
}

// view is what `deploy-manifest status -o json` prints.
func view(ctx context.Context, args ...string) (fleet.View, int) {
	GinkgoHelper()
	r := s.Run(ctx, s.Laptop, append([]string{"deploy-manifest", "status", "-o", "json"}, args...)...)
	var v fleet.View
	Expect(json.Unmarshal([]byte(r.Out), &v)).To(Succeed(), r.String())
	return v, r.Code
}

// on is the row of web on a host.
func on(v fleet.View, host string) fleet.Row {
	GinkgoHelper()
	for _, r := range v.Services {
		if r.Host == host && r.Service == "web" {
			return r
		}
	}
	Fail("nothing is said of web on " + host)
	return fleet.Row{}
}

// stateOn is what web is by the host itself.
func stateOn(ctx context.Context, host *env.Host) v1.ServiceState {
	GinkgoHelper()
	state, err := stage.StateOf(ctx, host)
	Expect(err).NotTo(HaveOccurred())
	for _, st := range state.Services {
		if st.Name == "web" {
			return st
		}
	}
	return v1.ServiceState{}
}
