package stage

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const foreignUnit = `[Unit]
Description=of somebody else
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
`

// PlantForeign puts what others have on a host beside ours: a unit with a drop-in, a route
// and roots, one of them among ours.
func (s *Stage) PlantForeign(ctx context.Context) {
	GinkgoHelper()
	Expect(s.Biz.Write(ctx, "/etc/systemd/system/foreign.service", []byte(foreignUnit), 0o644)).To(Succeed())
	Expect(s.Biz.Write(ctx, "/etc/systemd/system/foreign.service.d/10-nice.conf", []byte("[Service]\nNice=5\n"), 0o644)).To(Succeed())
	s.OK(ctx, s.Biz, "systemctl", "enable", "--quiet", "--now", "foreign")
	s.Shell(ctx, s.Biz, "ln -s /etc/hostname /nix/var/nix/gcroots/foreign; mkdir -p /nix/var/nix/gcroots/biz; ln -s /etc/hostname /nix/var/nix/gcroots/biz/README")
	route := `{"@id":"foreign","match":[{"host":["foreign.example.com"]}],"handle":[{"handler":"static_response","body":"foreign"}],"terminal":true}`
	s.OK(ctx, s.Biz, "curl", "-fsS", "--unix-socket", "/run/caddy/admin.sock", "-X", "POST",
		"-H", "Content-Type: application/json", "-d", route, "http://localhost/config/apps/http/servers/main/routes")
}

// Foreign is all that is not ours: text, links, process and route.
func (s *Stage) Foreign(ctx context.Context) string {
	GinkgoHelper()
	return s.Shell(ctx, s.Biz, `cd /etc/systemd/system
		sha256sum foreign.service foreign.service.d/* caddy.service biz-deployer.service biz-deployer-boot.service
		readlink multi-user.target.wants/foreign.service multi-user.target.wants/caddy.service
		readlink /nix/var/nix/gcroots/foreign /nix/var/nix/gcroots/biz/README
		systemctl show -P MainPID,ActiveState,FragmentPath,DropInPaths foreign.service`) + s.caddyObject(ctx, "foreign")
}

// caddyObject is one object of Caddy's configuration; empty while Caddy is down.
func (s *Stage) caddyObject(ctx context.Context, id string) string {
	return s.Run(ctx, s.Biz, "curl", "-sS", "--unix-socket", "/run/caddy/admin.sock", "http://localhost/id/"+id).Out
}
