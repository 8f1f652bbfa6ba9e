package env_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

// traces lists all that can be seen of a lab on the outer machine.
func traces(lab string) []string {
	var found []string
	for _, pattern := range []string{
		"/run/deployer-testhost/" + lab, "/var/tmp/deployer-testhost/" + lab, "/run/netns/dpl-" + lab + "-*",
		"/sys/fs/cgroup/deployer.testhost/" + lab, "/sys/fs/cgroup/unified/deployer.testhost/" + lab,
		"/run/systemd/nspawn/*/dpl-" + lab + "-*",
	} {
		paths, err := filepath.Glob(pattern)
		Expect(err).NotTo(HaveOccurred())
		found = append(found, paths...)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	Expect(err).NotTo(HaveOccurred())
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "/deployer-testhost/"+lab+"/") {
			found = append(found, "mount "+line)
		}
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	Expect(err).NotTo(HaveOccurred())
	for _, path := range commands {
		if command, _ := os.ReadFile(path); strings.Contains(string(command), "dpl-"+lab) || strings.Contains(string(command), "/"+lab+"/") {
			found = append(found, "process "+string(command))
		}
	}
	return found
}

// links are the lab's on the outer machine, by kernel number: their names are given out again at
// once to another process's lab. The bridge is known by the third number of the address.
func links(lab *env.Lab) []string {
	name := "/sys/class/net/dpl" + strings.Split(lab.OuterAddr(), ".")[2]
	ports, err := filepath.Glob(name + "-*/ifindex")
	Expect(err).NotTo(HaveOccurred())
	return numbers(append(ports, name+"/ifindex"))
}

func allLinks() []string {
	paths, err := filepath.Glob("/sys/class/net/*/ifindex")
	Expect(err).NotTo(HaveOccurred())
	return numbers(paths)
}

func numbers(paths []string) []string {
	var found []string
	for _, path := range paths {
		if number, err := os.ReadFile(path); err == nil {
			found = append(found, strings.TrimSpace(string(number)))
		}
	}
	return found
}

var _ = Describe("Taking down", func() {
	It("leaves no process, mount, namespace, link or file", func(ctx SpecContext) {
		lab, err := env.NewLab(ctx, env.LabOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(lab.Close)
		biz, err := lab.Up(ctx, "biz", env.HostOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = lab.Up(ctx, "ava", env.HostOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(traces(lab.Name)).To(ContainElements(
			ContainSubstring("/run/netns/dpl-"), HavePrefix("mount "), HavePrefix("process "), ContainSubstring("/sys/fs/cgroup/")))
		before := links(lab)
		Expect(before).To(HaveLen(4), "the bridge, S3 and two hosts")

		Expect(biz.Down(ctx)).To(Succeed())
		Expect(links(lab)).To(HaveLen(3))
		Expect(traces(lab.Name)).NotTo(ContainElement(ContainSubstring("biz")))
		Expect(lab.Host("ava").Running()).To(BeTrue())

		began := time.Now()
		Expect(lab.Close()).To(Succeed())
		GinkgoWriter.Printf("took a lab with one host down: %v\n", time.Since(began))
		Expect(traces(lab.Name)).To(BeEmpty())
		for _, number := range before {
			Expect(allLinks()).NotTo(ContainElement(number))
		}
		Expect(lab.Close()).To(Succeed(), "a second time")
	})

	It("happens by itself after the owner was killed, at the next lab", func(ctx SpecContext) {
		// This test binary again, as the owner: see TestCrashingOwner.
		owner := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCrashingOwner$")
		owner.Env = append(os.Environ(), crashingOwner+"=1")
		owner.Stderr = GinkgoWriter
		pipe, err := owner.StdoutPipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(owner.Start()).To(Succeed())
		said := bufio.NewReader(pipe)
		name, err := said.ReadString('\n')
		Expect(err).NotTo(HaveOccurred())
		name = strings.TrimSpace(name)
		if !regexp.MustCompile(`^t[a-z0-9]+$`).MatchString(name) {
			rest, _ := io.ReadAll(said)
			Fail("the owner failed: " + name + "\n" + string(rest))
		}
		Expect(traces(name)).To(ContainElement(HavePrefix("mount ")))

		other, err := env.NewLab(ctx, env.LabOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(other.Close)
		Expect(traces(name)).NotTo(BeEmpty(), "the owner is alive")

		Expect(owner.Process.Kill()).To(Succeed())
		_ = owner.Wait() // it was killed, as it says
		Expect(env.Reap(ctx)).To(Succeed())
		Expect(traces(name)).To(BeEmpty())
		Expect(traces(other.Name)).NotTo(BeEmpty(), "a lab whose owner lives stays")
	})

	It("keeps two labs of one name apart from each other", func(ctx SpecContext) {
		lab, err := env.NewLab(ctx, env.LabOptions{Name: "twin" + strconv.Itoa(os.Getpid()%1e6)})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(lab.Close)
		_, err = env.NewLab(ctx, env.LabOptions{Name: lab.Name})
		Expect(err).To(MatchError(ContainSubstring("belongs to another process")))
	})

	It("refuses names that would not be safe as names of files and links", func(ctx SpecContext) {
		_, err := env.NewLab(ctx, env.LabOptions{Name: "../x"})
		Expect(err).To(HaveOccurred())
		_, err = env.OpenLab("none")
		Expect(err).To(MatchError(os.ErrNotExist))
	})
})

const crashingOwner = "DEPLOYER_TEST_CRASHING_OWNER"

// becomeOwner makes a lab with a host, says its name and waits to be killed.
func becomeOwner(ctx context.Context) error {
	lab, err := env.NewLab(ctx, env.LabOptions{})
	if err != nil {
		return err
	}
	if _, err := lab.Up(ctx, "biz", env.HostOptions{}); err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString(lab.Name + "\n"); err != nil {
		return err
	}
	select {}
}
