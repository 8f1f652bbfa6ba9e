package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/control"
	"deployer/providers"
)

func TestDeployerctl(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "cmd/deployerctl")
}

// daemon answers on a socket as the real one would.
func daemon(answers map[string]any) (socket string) {
	socket = filepath.Join(GinkgoT().TempDir(), "control.sock")
	listener, err := net.Listen("unix", socket)
	Expect(err).NotTo(HaveOccurred())
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusInternalServerError)
			answer = control.ErrorAnswer{Error: "no answer for " + r.URL.Path}
		} else if _, refused := answer.(control.ErrorAnswer); refused {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_ = json.NewEncoder(w).Encode(answer)
	})}
	go func() { _ = server.Serve(listener) }()
	DeferCleanup(server.Close)
	return socket
}

// run runs the command and gives its exit code and what it printed.
func run(socket string, args ...string) (code int, stdout, stderr string) {
	return runIn(GinkgoT().TempDir(), socket, args...)
}

// runIn also says where the daemon's files are.
func runIn(dir, socket string, args ...string) (code int, stdout, stderr string) {
	a := newApp()
	a.paths = func() providers.Paths { return providers.Paths{StateDir: dir} }
	a.who = func() string { return "ann@biz" }
	c := a.command()
	var out, errOut bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&errOut)
	c.SetArgs(append([]string{"--socket", socket, "--config", "/nonexistent/config.yaml"}, args...))
	code = cli.Run(GinkgoT().Context(), c, &errOut)
	return code, out.String(), errOut.String()
}

func healthy(name string) v1.ServiceState {
	return v1.ServiceState{
		Name: name, State: v1.Settled, Sync: v1.Synced, Health: v1.Healthy, Reason: "AsWanted", Since: time.Now(),
		Serving: v1.Target{Revision: "1abc", StorePath: "/nix/store/x-" + name, Commit: "0123456789abcdef"},
	}
}

func hostWith(services ...v1.ServiceState) v1.HostState {
	return v1.HostState{Host: "biz", ObservedGeneration: 7, Manifest: v1.ManifestStatus{Store: "s3://b"}, Services: services}
}

var _ = Describe("status", func() {
	change := func(f func(*v1.ServiceState)) v1.ServiceState {
		s := healthy("web")
		f(&s)
		return s
	}
	DescribeTable("ends with the code of the worst service", func(code int, services ...v1.ServiceState) {
		got, out, _ := run(daemon(map[string]any{control.PathStatus: hostWith(services...)}), "status")
		Expect(got).To(Equal(code), out)
	},
		Entry("as wanted", cli.ExitOK, healthy("a"), healthy("b")),
		Entry("no services", cli.ExitOK),
		Entry("waiting for a release is nobody's fault", cli.ExitOK, change(func(s *v1.ServiceState) { s.State, s.Health = v1.Waiting, v1.HealthUnknown })),
		Entry("held", cli.ExitOK, change(func(s *v1.ServiceState) { s.State, s.Sync = v1.HeldState, v1.Held })),
		Entry("rolling", cli.ExitDifferent, healthy("a"), change(func(s *v1.ServiceState) { s.State, s.Sync, s.Health = v1.Rolling, v1.OutOfSync, v1.Progressing })),
		Entry("unknown before rolling", cli.ExitUnknown,
			change(func(s *v1.ServiceState) { s.Sync = v1.OutOfSync }), change(func(s *v1.ServiceState) { s.State, s.Sync = v1.Unlisted, v1.SyncUnknown })),
		Entry("failed before unknown", cli.ExitFailed,
			change(func(s *v1.ServiceState) { s.Sync = v1.SyncUnknown }), change(func(s *v1.ServiceState) { s.State = v1.Stalled })),
		Entry("rolled back, though the last good one serves", cli.ExitFailed, change(func(s *v1.ServiceState) {
			s.State, s.Sync, s.Health, s.Reason = v1.Stalled, v1.OutOfSync, v1.Healthy, "RolledBack"
		})),
		Entry("on its way back", cli.ExitDifferent, change(func(s *v1.ServiceState) { s.State, s.Sync = v1.Reverting, v1.OutOfSync })),
		Entry("degraded", cli.ExitFailed, change(func(s *v1.ServiceState) { s.Health = v1.Degraded })),
	)

	It("is 4 and says so when the manifest is stale", func() {
		state := hostWith(healthy("web"))
		since := time.Now().Add(-3 * time.Minute)
		state.Manifest.StaleSince = &since
		state.Conditions = []v1.Condition{{Type: "ManifestRead", Status: v1.False, Reason: "StoreUnreachable", Message: "no route"}}
		code, out, _ := run(daemon(map[string]any{control.PathStatus: state}), "status")
		Expect(code).To(Equal(cli.ExitUnknown))
		Expect(out).To(ContainSubstring("MANIFEST STALE for 3m: StoreUnreachable: no route"))
	})

	It("gives a line to each service, and a reason only to those that need one", func() {
		stalled := change(func(s *v1.ServiceState) {
			s.Name, s.State, s.Health, s.Reason, s.Message = "api", v1.Stalled, v1.Failed, "PortTaken", "port 80 is held by\nnginx"
		})
		_, out, _ := run(daemon(map[string]any{control.PathStatus: hostWith(stalled, healthy("web"))}), "status")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		Expect(lines).To(HaveLen(4))
		Expect(lines[2]).To(ContainSubstring("PortTaken: port 80 is held by nginx"))
		Expect(lines[3]).To(MatchRegexp(`^web +Settled +Synced +Healthy +1abc +0123456789ab +0s$`))
	})

	It("prints one service as JSON that reads back", func() {
		code, out, _ := run(daemon(map[string]any{control.PathStatus: hostWith(healthy("a"), healthy("web"))}), "status", "web", "-o", "json")
		Expect(code).To(Equal(cli.ExitOK))
		var s v1.ServiceState
		Expect(json.Unmarshal([]byte(out), &s)).To(Succeed())
		Expect(s.Name).To(Equal("web"))
	})

	It("shows the evidence of a failure, and its conditions in the order of the steps", func() {
		status := 3
		s := change(func(s *v1.ServiceState) {
			s.State, s.Evidence = v1.Stalled, &v1.Evidence{ExitStatus: &status, Log: []string{"panic: no database"}}
			s.Conditions = []v1.Condition{{Type: v1.Ready, Status: v1.False}, {Type: "Healthy", Status: v1.False}, {Type: "Rooted", Status: v1.True}}
		})
		_, out, _ := run(daemon(map[string]any{control.PathStatus: hostWith(s)}), "status", "web")
		Expect(out).To(ContainSubstring("last exit  status 3"))
		Expect(out).To(ContainSubstring("panic: no database"))
		Expect(strings.Index(out, "Rooted")).To(BeNumerically("<", strings.Index(out, "\nHealthy")))
		Expect(strings.Index(out, "\nHealthy")).To(BeNumerically("<", strings.Index(out, "\nReady")))
	})

	It("without a daemon is what the last one wrote, with its age, and ends with 4 whatever that was", func() {
		dir := GinkgoT().TempDir()
		s := change(func(s *v1.ServiceState) { s.State, s.Health = v1.Stalled, v1.Failed })
		state := hostWith(s)
		state.UpdatedAt = time.Now().Add(-2 * time.Minute)
		var out bytes.Buffer
		Expect(printHost(&out, seen{HostState: state})).To(Succeed())
		Expect(out.String()).To(ContainSubstring("THE DAEMON DOES NOT RUN: what follows is 2m old"))
		Expect(cli.CodeOf(codeOf(seen{HostState: state}, state.Services))).To(Equal(cli.ExitUnknown))
		code, _, stderr := run(filepath.Join(dir, "none.sock"), "logs", "../caddy")
		Expect(code).To(Equal(cli.ExitUsage), stderr)
	})

	It("says where to look for a service that it does not know", func() {
		code, _, stderr := run(daemon(map[string]any{control.PathStatus: hostWith()}), "status", "nope")
		Expect(code).To(Equal(cli.ExitUnknown))
		Expect(stderr).To(ContainSubstring("deploy-manifest show nope"))
	})
})

var _ = Describe("sync", func() {
	It("says which generation is in force", func() {
		code, out, _ := run(daemon(map[string]any{control.PathSync: control.SyncAnswer{Generation: 9}}), "sync")
		Expect(code).To(Equal(cli.ExitOK))
		Expect(out).To(Equal("generation 9 is in force\n"))
	})

	It("fails with the reason why the store's manifest is not in force", func() {
		code, _, stderr := run(daemon(map[string]any{control.PathSync: control.SyncAnswer{Generation: 9, Problem: "generation 7 was put back"}}), "sync")
		Expect(code).To(Equal(cli.ExitError))
		Expect(stderr).To(ContainSubstring("generation 7 was put back"))
	})

	It("waits, and ends with 3 when a service fails", func() {
		s := healthy("web")
		s.State, s.Health, s.Reason = v1.Stalled, v1.Failed, "Exited"
		code, out, _ := run(daemon(map[string]any{
			control.PathSync: control.SyncAnswer{Generation: 9}, control.PathStatus: hostWith(s),
		}), "sync", "--wait")
		Expect(code).To(Equal(cli.ExitFailed))
		Expect(out).To(ContainSubstring("web: Stalled, Failed: Exited"))
	})

	It("gives up waiting with 5", func() {
		s := healthy("web")
		s.State, s.Sync = v1.Rolling, v1.OutOfSync
		code, _, _ := run(daemon(map[string]any{
			control.PathSync: control.SyncAnswer{Generation: 9}, control.PathStatus: hostWith(s),
		}), "sync", "--wait", "--timeout", "700ms")
		Expect(code).To(Equal(cli.ExitDifferent))
	})
})

var _ = Describe("without a daemon", func() {
	DescribeTable("each command that needs it says so", func(args ...string) {
		code, _, stderr := run(filepath.Join(GinkgoT().TempDir(), "none.sock"), args...)
		Expect(code).To(Equal(cli.ExitError))
		Expect(stderr).To(ContainSubstring("systemctl start biz-deployer"))
	},
		Entry(nil, "sync"), Entry(nil, "adopt"), Entry(nil, "retry", "web"), Entry(nil, "unhold", "web"),
		Entry(nil, "hold", "web", "--reason", "load test"),
	)
})

var _ = DescribeTable("ages read at a glance", func(d time.Duration, want string) {
	Expect(ago(time.Now().Add(-d))).To(Equal(want))
},
	Entry(nil, 5*time.Second, "5s"), Entry(nil, 3*time.Minute, "3m"), Entry(nil, 130*time.Minute, "2h10m"), Entry(nil, 100*time.Hour, "4d"),
)
