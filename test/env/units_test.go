package env_test

import (
	"regexp"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

// inSandbox stands in for the daemon in its own unit: all that the daemon needs from the host, a
// line each, and what it must not be able to do.
const inSandbox = `#!/bin/sh
say() { name=$1; shift; "$@" >/dev/null 2>&1 && echo "can $name" || echo "cannot $name"; }
say write-state          touch /var/lib/biz-deployer/x
say write-runtime        touch /run/biz-deployer/x
say write-units          touch /etc/systemd/system/x.service
say write-roots          mkdir -p /nix/var/nix/gcroots/biz
say reload-systemd       systemctl daemon-reload
say start-units          systemctl start later.service
say start-transient      systemd-run --quiet --collect --service-type=oneshot nix-store --verify
say ask-caddy            curl -fsS --unix-socket /run/caddy/admin.sock http://localhost/config/
say ask-store            curl -fsS -m 5 http://s3:7070/health
say read-keys            grep -q aws_secret /root/.aws/credentials
say read-secrets         cat /var/lib/biz-secrets/web.env
say read-journal         journalctl --unit=caddy --lines=1
say see-sockets          readlink /proc/$(pidof caddy)/fd/1
say read-credential      grep -q abc123 /run/biz-deployer/credentials/earlier.service/revision
say read-new-credential  grep -q abc123 /run/biz-deployer/credentials/later.service/revision
say write-etc            touch /etc/x
say write-home           touch /root/x
say write-store          touch /nix/store/x
say write-secrets        touch /var/lib/biz-secrets/x
say make-namespaces      unshare --mount true
say chown                chown nobody /var/lib/biz-deployer/x
`

const credentialUnit = "[Service]\nDynamicUser=yes\nLoadCredential=revision:/etc/revision\nExecStart=/bin/sleep infinity\n"

var _ = Describe("The systemd units in config/", Ordered, func() {
	var biz *env.Host

	BeforeAll(func(ctx SpecContext) {
		lab, err := env.NewLab(ctx, env.LabOptions{})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(lab.Close()).To(Succeed()) })
		biz, err = lab.Up(ctx, "biz", env.HostOptions{
			Enable: []string{"caddy.service"},
			Files: []env.File{
				{Path: "/usr/local/bin/in-sandbox", Data: []byte(inSandbox), Mode: 0o755},
				{
					Path: "/etc/systemd/system/biz-deployer.service.d/test.conf", Mode: 0o644,
					Data: []byte("[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart=/usr/local/bin/in-sandbox\n"),
				},
				{Path: "/etc/revision", Data: []byte("abc123"), Mode: 0o600},
				{Path: "/etc/systemd/system/earlier.service", Data: []byte(credentialUnit), Mode: 0o644},
				{Path: "/etc/systemd/system/later.service", Data: []byte(credentialUnit), Mode: 0o644},
				{Path: "/var/lib/biz-secrets/web.env", Data: []byte("A=b\n"), Mode: 0o600},
			},
		})
		Expect(err).NotTo(HaveOccurred())
	})

	It("give the daemon what it needs and no more", func(ctx SpecContext) {
		_, _, err := biz.Exec(ctx, "sh", "-c", "systemctl start earlier.service && systemctl start biz-deployer.service")
		Expect(err).NotTo(HaveOccurred())
		out, _, err := biz.Exec(ctx, "journalctl", "--unit=biz-deployer", "--identifier=in-sandbox", "--output=cat", "--no-pager")
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Fields(strings.ReplaceAll(out, "can ", "can:"))).To(HaveExactElements(
			"can:write-state", "can:write-runtime", "can:write-units", "can:write-roots",
			"can:reload-systemd", "can:start-units", "can:start-transient",
			"can:ask-caddy", "can:ask-store", "can:read-keys", "can:read-secrets", "can:read-journal",
			"can:see-sockets", "can:read-credential", "can:read-new-credential",
			"cannot", "write-etc", "cannot", "write-home", "cannot", "write-store", "cannot", "write-secrets",
			"cannot", "make-namespaces", "cannot", "chown",
		))
	})

	It("are hardened", func(ctx SpecContext) {
		out, _, err := biz.Exec(ctx, "systemd-analyze", "security", "--no-pager", "biz-deployer.service")
		Expect(err).NotTo(HaveOccurred())
		found := regexp.MustCompile(`Overall exposure level for biz-deployer.service: ([0-9.]+)`).FindStringSubmatch(out)
		Expect(found).To(HaveLen(2), out)
		exposure, err := strconv.ParseFloat(found[1], 64)
		Expect(err).NotTo(HaveOccurred())
		Expect(exposure).To(BeNumerically("<=", 2.3), out)
	})

	It("are what systemd understands", func(ctx SpecContext) {
		// The programs need not be built for this.
		_, stderr, err := biz.Exec(ctx, "sh", "-c",
			"[ -e /usr/local/bin/biz-deployer ] || install -m 755 /bin/true /usr/local/bin/biz-deployer; "+
				"systemd-analyze verify --man=no biz-deployer.service biz-deployer-boot.service caddy.service")
		Expect(err).NotTo(HaveOccurred())
		Expect(stderr).To(BeEmpty())
	})

	It("run the boot step before Caddy and every service", func(ctx SpecContext) {
		_, _, err := biz.Exec(ctx, "systemctl", "enable", "biz-deployer-boot.service")
		Expect(err).NotTo(HaveOccurred())
		Expect(biz.Write(ctx, "/usr/local/bin/biz-deployer", []byte("#!/bin/sh\n[ \"$1\" = boot ] && ! systemctl is-active -q basic.target caddy && echo early\n"), 0o755)).To(Succeed())
		Expect(biz.Reboot(ctx)).To(Succeed())
		Expect(biz.Journal(ctx, "biz-deployer-boot")).To(ContainSubstring("early"))
		_, _, err = biz.Exec(ctx, "systemctl", "is-active", "biz-deployer-boot", "caddy")
		Expect(err).NotTo(HaveOccurred())
	})
})
