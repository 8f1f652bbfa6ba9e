package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
	"deployer/test/load"
)

// Load is a load generator that asks biz over https from the outer machine, as people do.
type Load struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	out     bytes.Buffer
	said    *saidLines
	report  *load.Report
}

// Asked is a service as the target of a load.
func Asked(name string, mix load.Mix) load.Target {
	return load.Target{Name: name, Host: Domain(name), Mix: mix}
}

// StartLoad asks the targets until End, or until the container ends, and returns when every
// connection had a good answer.
func (s *Stage) StartLoad(ctx context.Context, targets ...load.Target) *Load {
	GinkgoHelper()
	generator, err := env.Compile(ctx, "deployer/test/load/generator", "load-generator")
	Expect(err).NotTo(HaveOccurred())
	certificate, err := s.Biz.CA(ctx)
	Expect(err).NotTo(HaveOccurred())
	ca := filepath.Join(GinkgoT().TempDir(), "ca.crt")
	Expect(os.WriteFile(ca, certificate, 0o600)).To(Succeed())

	l := &Load{said: &saidLines{ready: make(chan struct{})}}
	args := []string{"--address", s.Biz.Addr, "--ca", ca, "--for", "1h"}
	for _, t := range targets {
		args = append(args, argument(t))
	}
	// Not bound to the spec's context: it ends with its stdin, at the latest with this process.
	l.command = exec.CommandContext(context.WithoutCancel(ctx), generator, args...)
	l.command.Stdout, l.command.Stderr = &l.out, l.said
	l.stdin, err = l.command.StdinPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(l.command.Start()).To(Succeed())
	DeferCleanup(l.Stop)
	Eventually(ctx, l.said.ready).WithTimeout(Patience).Should(BeClosed(), "the load generator is not ready: %s", l.said)
	return l
}

// argument is a target as the generator's command line wants it.
func argument(t load.Target) string {
	parts := []string{t.Name + "=" + t.Host}
	for _, kind := range load.Kinds() {
		if n := t.Mix[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s:%d", kind, n))
		}
	}
	return strings.Join(parts, ",")
}

// End ends the load and gives what it got. A second End gives the same.
func (l *Load) End() load.Report {
	GinkgoHelper()
	if l.report != nil {
		return *l.report
	}
	Expect(l.end()).To(Succeed(), "%s", l.said)
	l.report = &load.Report{}
	Expect(json.Unmarshal(l.out.Bytes(), l.report)).To(Succeed(), "%s", l.said)
	GinkgoWriter.Print(l.report)
	return *l.report
}

// Stop ends the load, whatever it got.
func (l *Load) Stop() { _ = l.end() }

func (l *Load) end() error {
	if l.command.ProcessState != nil {
		return nil
	}
	_ = l.stdin.Close()
	return l.command.Wait()
}

// saidLines is the generator's stderr: "ready", and then its failures, with the suite's output.
type saidLines struct {
	ready chan struct{}
	mu    sync.Mutex
	all   strings.Builder
}

func (s *saidLines) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.all.Len()
	s.all.Write(p)
	if text := s.all.String(); strings.Contains(text, "ready\n") && !strings.Contains(text[:before], "ready\n") {
		close(s.ready)
	}
	_, _ = GinkgoWriter.Write(p)
	return len(p), nil
}

// String is all of it, for failures.
func (s *saidLines) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}
