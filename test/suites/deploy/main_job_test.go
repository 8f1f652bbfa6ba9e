package deploy_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

var _ = Describe("The main job", Ordered, func() {
	const name = "web"

	It("accepts a service without a release, and shows it as Waiting", func(ctx SpecContext) {
		s.Add(ctx, stage.Web(name, 8080))
		stage.Within(time.Second, "add-service → Waiting", func() {
			s.Await(ctx, name, "Waiting", func(st v1.ServiceState) bool { return st.State == v1.Waiting })
		})
		out := s.OK(ctx, s.Biz, "deployerctl", "status", name)
		Expect(out).To(And(ContainSubstring("Waiting"), ContainSubstring("deploy-push "+name+" STORE_PATH")))
		Expect(s.Run(ctx, s.Biz, "systemctl", "is-active", name).Code).NotTo(Equal(0))
	})

	It("serves the first release over https soon after it is pushed", func(ctx SpecContext) {
		path := s.Release(ctx, "one")
		out := s.OK(ctx, s.Laptop, "deploy-push", name, path, "--commit", "0123456789abcdef0123")
		Expect(out).To(And(ContainSubstring("wrote generation"), ContainSubstring(path)))
		stage.Within(2*time.Second, "push, with a pull and the first certificate → first answer", func() {
			s.WaitAnswer(ctx, name, "one")
		})
		st := s.WaitSettled(ctx, name)
		Expect(st.Serving.StorePath).To(Equal(path))
		Expect(st.Serving.Commit).To(Equal("0123456789abcdef0123"))
		Expect(st.Route).To(ContainSubstring(stage.Domain(name)))
		Expect(st.Upstream).To(Equal("127.0.0.1:8080"))
		Expect(s.Run(ctx, s.Biz, "deployerctl", "status").Code).To(Equal(0))
	})

	It("roots the closure, hides nothing of the process, and runs it as no known user", func(ctx SpecContext) {
		st := s.WaitSettled(ctx, name)
		root := "/nix/var/nix/gcroots/biz/" + name + "-" + st.Serving.Revision
		Expect(strings.TrimSpace(s.OK(ctx, s.Biz, "readlink", root))).To(Equal(st.Serving.StorePath))
		s.Shell(ctx, s.Biz, "NIX_REMOTE=local nix-store --gc >/dev/null 2>&1; test -x "+st.Serving.StorePath+"/bin/app")
		user := s.OK(ctx, s.Biz, "systemctl", "show", "-P", "User,DynamicUser", name)
		Expect(strings.Fields(user)).To(ConsistOf("biz-web", "yes"))
	})

	It("moves the service to another domain in place, without a restart", func(ctx SpecContext) {
		before := s.WaitSettled(ctx, name)
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", name, "http.domain="+stage.Domain("www"))
		stage.Within(2*time.Second, "new domain → first answer", func() { s.WaitAnswer(ctx, "www", "one") })
		after := s.WaitSettled(ctx, name)
		Expect(after.Slots[v1.Primary].MainPID).To(Equal(before.Slots[v1.Primary].MainPID))
		Expect(after.Serving.Revision).To(Equal(before.Serving.Revision))
		_, err := s.Get(ctx, name, "/")
		Expect(err).To(HaveOccurred(), "the old domain still answers")
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", name, "http.domain="+stage.Domain(name))
		s.WaitAnswer(ctx, name, "one")
	})

	It("serves the next release, and keeps the one before for the way back", func(ctx SpecContext) {
		old := s.WaitSettled(ctx, name)
		s.Push(ctx, name, "two")
		stage.Within(time.Second, "push of release two → first answer", func() { s.WaitAnswer(ctx, name, "two") })
		st := s.WaitSettled(ctx, name)
		Expect(st.Serving.StorePath).To(Equal(s.Release(ctx, "two")))
		s.OK(ctx, s.Biz, "test", "-L", "/nix/var/nix/gcroots/biz/"+name+"-"+old.Serving.Revision)
		s.OK(ctx, s.Biz, "test", "-d", "/var/lib/biz-deployer/releases/"+name+"/"+old.Serving.Instance)
	})

	It("says that a push of the same release changes nothing", func(ctx SpecContext) {
		before := s.Manifest(ctx).Generation
		Expect(s.OK(ctx, s.Laptop, "deploy-push", name, s.Release(ctx, "two"))).To(ContainSubstring("nothing was written"))
		Expect(s.Manifest(ctx).Generation).To(Equal(before))
	})

	It("rolls back to an archived manifest, as a new generation", func(ctx SpecContext) {
		before := s.Manifest(ctx).Generation
		list := strings.Fields(s.OK(ctx, s.Laptop, "deploy-manifest", "list"))
		Expect(list).NotTo(BeEmpty())
		Expect(list[0]).To(HavePrefix("manifest-"))
		s.OK(ctx, s.Laptop, "deploy-manifest", "rollback", list[0])
		Expect(s.Manifest(ctx).Generation).To(BeNumerically(">", before))
		stage.Within(time.Second, "rollback → first answer", func() { s.WaitAnswer(ctx, name, "one") })
		Expect(s.WaitSettled(ctx, name).Serving.StorePath).To(Equal(s.Release(ctx, "one")))
	})

	It("starts a unit again that somebody stopped by hand", func(ctx SpecContext) {
		stage.Within(2*time.Second, "systemctl stop → answers again (full pass every 2 s)", func() {
			s.OK(ctx, s.Biz, "systemctl", "stop", name)
			Eventually(ctx, func() string {
				return s.Run(ctx, s.Biz, "systemctl", "is-active", name).Out
			}).WithTimeout(stage.Patience).Should(Equal("active\n"))
			s.WaitAnswer(ctx, name, "one")
		})
		s.WaitSettled(ctx, name)
	})

	It("undoes an edit of the unit by hand, and a deleted root", func(ctx SpecContext) {
		st := s.WaitSettled(ctx, name)
		root := "/nix/var/nix/gcroots/biz/" + name + "-" + st.Serving.Revision
		unit := strings.TrimSpace(s.Shell(ctx, s.Biz, "readlink -f /etc/systemd/system/"+name+".service"))
		before, err := s.Biz.Read(ctx, unit)
		Expect(err).NotTo(HaveOccurred())
		s.Shell(ctx, s.Biz, "rm "+root+"; echo '# by hand' >>"+unit+"; systemctl daemon-reload")
		Eventually(ctx, func() ([]byte, error) { return s.Biz.Read(ctx, unit) }).WithTimeout(stage.Patience).Should(Equal(before))
		Eventually(ctx, func() int { return s.Run(ctx, s.Biz, "test", "-L", root).Code }).WithTimeout(stage.Patience).Should(Equal(0))
		s.WaitSettled(ctx, name)
	})

	It("removes the service and leaves nothing of it", func(ctx SpecContext) {
		stage.Within(time.Second, "remove-service → nothing left", func() { s.Remove(ctx, name) })
		left := s.Shell(ctx, s.Biz, `ls -d /etc/systemd/system/web* /etc/systemd/system/*.wants/web* /var/lib/biz-deployer/services/web* \
			/var/lib/biz-deployer/releases/web /var/lib/biz-deployer/upstreams/web /nix/var/nix/gcroots/biz/web-* 2>/dev/null || true`)
		Expect(left).To(BeEmpty())
		Expect(s.Shell(ctx, s.Biz, "systemctl list-units --all --no-legend 'web*'")).To(BeEmpty())
		Expect(caddyConfig(ctx)).NotTo(ContainSubstring("biz-deployer/web"))
		_, err := s.Get(ctx, name, "/")
		Expect(err).To(HaveOccurred())
		r := s.Run(ctx, s.Biz, "deployerctl", "status", name)
		Expect(r.Code).To(Equal(4), r.String())
	})
})
