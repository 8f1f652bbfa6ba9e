package env_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

// exitCode is what a command on a host ended with.
func exitCode(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return -1
	}
	return exit.ExitCode()
}

var _ = Describe("A lab", Ordered, func() {
	var (
		lab         *env.Lab
		biz, laptop *env.Host
	)

	BeforeAll(func(ctx SpecContext) {
		began := time.Now()
		var err error
		lab, err = env.NewLab(ctx, env.LabOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(lab.Close()).To(Succeed()) })
		GinkgoWriter.Printf("lab with S3: %v\n", time.Since(began))

		// Both at once, as suites do it.
		var boots sync.WaitGroup
		var errs [2]error
		began = time.Now()
		boots.Go(func() {
			biz, errs[0] = lab.Up(ctx, "biz", env.HostOptions{
				Enable: []string{"caddy.service"},
				Config: map[string]any{"poll": map[string]any{"min": "1s"}, "metrics": nil},
				Files:  []env.File{{Path: "/etc/planted", Data: []byte("before the boot"), Mode: 0o600}},
			})
		})
		boots.Go(func() { laptop, errs[1] = lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop}) })
		boots.Wait()
		Expect(errors.Join(errs[:]...)).NotTo(HaveOccurred())
		GinkgoWriter.Printf("two hosts booted at once: %v\n", time.Since(began))
	})

	It("boots hosts whose systemd is content", func(ctx SpecContext) {
		for _, host := range []*env.Host{biz, laptop} {
			out, _, err := host.Exec(ctx, "systemctl", "is-system-running")
			Expect(err).NotTo(HaveOccurred())
			Expect(out).To(Equal("running\n"))
		}
	})

	It("lets hosts reach each other by name and S3, and nothing else", func(ctx SpecContext) {
		_, _, err := laptop.Exec(ctx, "curl", "-sS", "-m", "5", "http://s3:7070/health")
		Expect(err).NotTo(HaveOccurred())
		_, _, err = laptop.Exec(ctx, "curl", "-sS", "-m", "5", "-o", "/dev/null", "http://biz/")
		Expect(err).NotTo(HaveOccurred())
		_, stderr, err := laptop.Exec(ctx, "curl", "-sS", "-m", "5", "http://192.0.2.1/")
		Expect(exitCode(err)).To(Equal(7), stderr)
		routes, _, err := biz.Exec(ctx, "ip", "route", "show", "default")
		Expect(err).NotTo(HaveOccurred())
		Expect(routes).To(BeEmpty())
	})

	It("passes on output, exit codes and the text of failures", func(ctx SpecContext) {
		out, errOut, err := biz.Exec(ctx, "sh", "-c", "echo said; echo cried >&2; exit 3")
		Expect(exitCode(err)).To(Equal(3))
		Expect(out).To(Equal("said\n"))
		Expect(errOut).To(Equal("cried\n"))
		Expect(err).To(MatchError(And(ContainSubstring("said"), ContainSubstring("cried"), ContainSubstring("on biz"))))
	})

	It("gives a command a clean environment", func(ctx SpecContext) {
		GinkgoT().Setenv("DEPLOYER_STORE", "leaked")
		out, _, err := biz.Exec(ctx, "sh", "-c", "pwd; env")
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(And(HavePrefix("/root\n"), ContainSubstring("HOME=/root\n"), ContainSubstring("PATH=/usr/local/sbin:")))
		Expect(out).NotTo(ContainSubstring("leaked"))
	})

	It("kills a command with all it started when its context ends", func(ctx SpecContext) {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		_, _, err := biz.Exec(short, "sh", "-c", "sleep 4711 & sleep 4712")
		Expect(err).To(MatchError(context.DeadlineExceeded))
		Eventually(func() int {
			_, _, err := biz.Exec(ctx, "pgrep", "-f", "^sleep 471[12]$")
			return exitCode(err)
		}).Should(Equal(1))
	})

	It("writes and reads files, and says which is missing", func(ctx SpecContext) {
		Expect(biz.Write(ctx, "/run/new/dir/file", []byte("a\x00b\n"), 0o640)).To(Succeed())
		Expect(biz.Read(ctx, "/run/new/dir/file")).To(Equal([]byte("a\x00b\n")))
		mode, _, err := biz.Exec(ctx, "stat", "-c", "%a %U", "/run/new/dir/file")
		Expect(err).NotTo(HaveOccurred())
		Expect(mode).To(Equal("640 root\n"))
		_, err = biz.Read(ctx, "/run/new/dir/none")
		Expect(err).To(MatchError(fs.ErrNotExist))
		Expect(biz.Read(ctx, "/etc/planted")).To(Equal([]byte("before the boot")))
	})

	It("installs the sample configuration with the host's values and the test's", func(ctx SpecContext) {
		config, err := biz.Read(ctx, "/etc/biz-deployer/config.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(config)).To(And(
			ContainSubstring("host: biz\n"), ContainSubstring("store: s3://deployer?endpoint=s3:7070&profile=deployer&"),
			ContainSubstring("min: 1s"), ContainSubstring("max: 15s"), Not(ContainSubstring("metrics")),
		))
	})

	It("serves HTTPS with Caddy's own CA, under any name, and hides Caddy's admin API from users", func(ctx SpecContext) {
		route := `{"match":[{"host":["web.example.com"]}],"handle":[{"handler":"static_response","body":"hello"}]}`
		_, _, err := biz.Exec(ctx, "curl", "-fsS", "--unix-socket", "/run/caddy/admin.sock", "-X", "POST",
			"-H", "Content-Type: application/json", "-d", route, "http://localhost/config/apps/http/servers/main/routes")
		Expect(err).NotTo(HaveOccurred())
		_, _, err = biz.Exec(ctx, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
			"curl", "-fsS", "-m", "5", "--unix-socket", "/run/caddy/admin.sock", "http://localhost/config/")
		Expect(exitCode(err)).To(Equal(7))

		Eventually(ctx, func() (string, error) { return get(ctx, biz, "https://web.example.com/") }, "20s").Should(Equal("hello"))
	})

	It("keeps files, routes and the journal over a reboot, and loses /run", func(ctx SpecContext) {
		Expect(biz.Write(ctx, "/var/lib/kept", []byte("kept"), 0o644)).To(Succeed())
		Expect(biz.Write(ctx, "/run/lost", []byte("lost"), 0o644)).To(Succeed())
		before, err := biz.Read(ctx, "/proc/sys/kernel/random/boot_id")
		Expect(err).NotTo(HaveOccurred())
		began := time.Now()
		Expect(biz.Reboot(ctx)).To(Succeed())
		GinkgoWriter.Printf("rebooted: %v\n", time.Since(began))

		Expect(biz.Read(ctx, "/proc/sys/kernel/random/boot_id")).NotTo(Equal(before))
		Expect(biz.Read(ctx, "/var/lib/kept")).To(Equal([]byte("kept")))
		_, err = biz.Read(ctx, "/run/lost")
		Expect(err).To(MatchError(fs.ErrNotExist))
		Expect(get(ctx, biz, "https://web.example.com/")).To(Equal("hello"))
		journal, _, err := biz.Exec(ctx, "journalctl", "--list-boots", "--quiet", "--no-pager")
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Count(journal, " UTC\n")).To(Equal(2), journal)
	})

	It("boots again after the power was cut", func(ctx SpecContext) {
		Expect(biz.Write(ctx, "/var/lib/kept", []byte("still"), 0o644)).To(Succeed())
		Expect(biz.PowerOff()).To(Succeed())
		Expect(biz.Running()).To(BeFalse())
		_, _, err := biz.Exec(ctx, "true")
		Expect(err).To(MatchError(env.ErrOff))
		Expect(biz.Boot(ctx)).To(Succeed())
		Expect(biz.Read(ctx, "/var/lib/kept")).To(Equal([]byte("still")))
	})

	It("makes a crash look like one to systemd", func(ctx SpecContext) {
		Expect(biz.Kill(ctx, "caddy.service", "SIGKILL")).To(Succeed())
		Eventually(func() string {
			out, _, _ := biz.Exec(ctx, "systemctl", "show", "-P", "NRestarts", "caddy.service")
			return out
		}, "10s").Should(Equal("1\n"))
		Expect(biz.Journal(ctx, "caddy.service")).To(ContainSubstring("code=killed, status=9/KILL"))
	})

	It("leaves a host that runs as it is", func(ctx SpecContext) {
		Expect(biz.Write(ctx, "/run/mark", []byte("same boot"), 0o644)).To(Succeed())
		again, err := lab.Up(ctx, "biz", env.HostOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(again).To(BeIdenticalTo(biz))
		Expect(biz.Read(ctx, "/run/mark")).To(Equal([]byte("same boot")))
		_, err = lab.Up(ctx, "biz", env.HostOptions{Kind: env.Laptop})
		Expect(err).To(MatchError(ContainSubstring("is a server, not a laptop")))
	})
})

func get(ctx context.Context, host *env.Host, url string) (string, error) {
	client, err := host.HTTP(ctx)
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
