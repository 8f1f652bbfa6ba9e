package systemd_test

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/systemd"
)

var _ = Describe("the leftovers of units", func() {
	var (
		paths   providers.Paths
		manager *systemd.Manager
	)
	BeforeEach(func() {
		paths = providers.Paths{StateDir: GinkgoT().TempDir(), UnitDir: GinkgoT().TempDir()}
		Expect(os.MkdirAll(paths.Services(), 0o755)).To(Succeed())
		Expect(os.MkdirAll(filepath.Join(paths.UnitDir, "multi-user.target.wants"), 0o755)).To(Succeed())
		var err error
		manager, err = systemd.New(systemd.Options{Paths: paths})
		Expect(err).NotTo(HaveOccurred())
	})
	file := func(path string) string {
		GinkgoHelper()
		Expect(os.WriteFile(path, nil, 0o644)).To(Succeed())
		return path
	}
	link := func(target, path string) string {
		GinkgoHelper()
		Expect(os.Symlink(target, path)).To(Succeed())
		return path
	}
	text := func(service string) string { return filepath.Join(paths.Services(), service+".service") }
	wanted := func(service string) string {
		return filepath.Join(paths.UnitDir, "multi-user.target.wants", service+".service")
	}

	for what, leave := range map[string]func(service string) string{
		"a text":      func(s string) string { return file(filepath.Join(paths.Services(), "."+s+".service7213409")) },
		"a port file": func(s string) string { return file(filepath.Join(paths.Services(), "."+s+"-standby.port12")) },
		"a link": func(s string) string {
			return link(text(s), filepath.Join(paths.UnitDir, "."+s+".service.biz-deployer"))
		},
		"an enablement": func(s string) string { return link(text(s), wanted(s)) },
		"an enablement that was being made": func(s string) string {
			return link(text(s), filepath.Join(paths.UnitDir, "multi-user.target.wants", "."+s+".service.biz-deployer"))
		},
	} {
		Context("that are "+what, func() {
			conformance.Leftovers(func() conformance.LeftoversHost {
				return conformance.LeftoversHost{Leftovers: manager, Leave: leave}
			})
		})
	}

	It("are neither units of ours, nor anything of somebody else", func(ctx SpecContext) {
		file(text("web"))
		link(text("web"), filepath.Join(paths.UnitDir, "web.service"))
		link(text("web"), wanted("web"))
		link("/usr/lib/systemd/system/ssh.service", wanted("ssh"))
		link("/nowhere/api.service", wanted("api"))
		file(filepath.Join(paths.UnitDir, ".foreign.service.swp"))
		file(filepath.Join(paths.Services(), ".notes1"))
		file(filepath.Join(paths.Services(), ".web.service"))
		Expect(manager.Leftovers(ctx)).To(BeEmpty())
	})

	It("are cleared only while they are left over, and only there", func(ctx SpecContext) {
		enabled := link(text("web"), wanted("web"))
		left := providers.Leftover{Service: "web", Path: enabled}
		file(text("web"))
		Expect(manager.Clear(ctx, left)).To(Succeed())
		Expect(os.Readlink(enabled)).To(Equal(text("web")), "its text is there again")

		elsewhere := file(filepath.Join(GinkgoT().TempDir(), ".web.service1"))
		for _, path := range []string{text("web"), elsewhere, paths.Services() + "/../services/.web.service1"} {
			file(path)
			Expect(manager.Clear(ctx, providers.Leftover{Service: "web", Path: path})).NotTo(Succeed())
			Expect(path).To(BeARegularFile())
		}
	})
})
