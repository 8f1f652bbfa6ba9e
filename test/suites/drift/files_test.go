package drift_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

var _ = Describe("A closure", func() {
	// rooted says where the root of what runs is, and what it keeps.
	rooted := func(ctx context.Context) (root, path string) {
		GinkgoHelper()
		st := s.WaitSettled(ctx, broken)
		return rootsDir + "/" + broken + "-" + st.Serving.Revision, st.Serving.StorePath
	}

	It("survives F20: its root deleted", func(ctx SpecContext) {
		root, path := rooted(ctx)
		heals(ctx, "root deleted", "rm "+root, "[ $(readlink "+root+") = "+path+" ]")
	})

	It("survives F20: its root set to something else", func(ctx SpecContext) {
		root, path := rooted(ctx)
		heals(ctx, "root set to something else", "ln -sfn /etc/hostname "+root, "[ $(readlink "+root+") = "+path+" ]")
	})

	It("survives F20: all our roots deleted with their directory", func(ctx SpecContext) {
		root, path := rooted(ctx)
		heals(ctx, "directory of roots deleted", "mv "+rootsDir+" /root/roots", "[ $(readlink "+root+") = "+path+" ]")
		s.Shell(ctx, s.Biz, "cp -Pn /root/roots/README "+rootsDir+"; rm -r /root/roots") // what is not ours stood there, too
	})

	// A store as a whole is too much to watch. The path that a pointer names is watched, so
	// its disappearance is an event; of what else its closure has, the next pass finds out:
	// that of a restart which failed for it, or the full one.
	It("survives F20: its store path deleted from the disk, though Nix calls it valid", func(ctx SpecContext) {
		_, path := rooted(ctx)
		before := primary(ctx).MainPID
		heals(ctx, "store path deleted → fetched again", "chmod -R u+w "+path+"; rm -rf "+path, "[ -x "+path+"/bin/app ]")
		s.WaitSettled(ctx, broken)
		Expect(primary(ctx).MainPID).To(Equal(before), "what runs goes on running")
	})
})

var _ = Describe("A pointer", func() {
	const pointer = stateDir + "/releases/broken/primary"
	DescribeTable("is set back when it was", func(ctx SpecContext, breaks string) {
		now, pid := fact(ctx, "readlink "+pointer), primary(ctx).MainPID
		heals(ctx, CurrentSpecReport().LeafNodeText, breaks, "[ $(readlink "+pointer+") = "+now+" ]")
		s.WaitSettled(ctx, broken)
		Expect(primary(ctx).MainPID).To(Equal(pid), "what runs goes on running")
	},
		Entry("a pointer set to the release before", "ln -sfn $(basename $(ls -d "+stateDir+"/releases/broken/*-* | grep -v $(readlink "+pointer+") | head -n 1)) "+pointer),
		Entry("a pointer deleted", "rm "+pointer),
		Entry("a pointer set to nothing", "ln -sfn nowhere "+pointer),
	)

	It("leads to a release that is whole again when somebody damaged it", func(ctx SpecContext) {
		env := stateDir + "/releases/broken/" + fact(ctx, "readlink "+pointer) + "/env"
		s.OK(ctx, s.Biz, "cp", env, "/root/env")
		heals(ctx, "a file of a release edited", "echo A=b >>"+env, "cmp "+env+" /root/env")
	})
})

var _ = Describe("An upstream file", func() {
	const file = stateDir + "/upstreams/broken"
	DescribeTable("survives F36:", func(ctx SpecContext, breaks string, answers bool) {
		var requests *stage.Watch
		if answers {
			requests = s.StartWatch(context.Background(), broken, "two")
			DeferCleanup(requests.End)
		}
		heals(ctx, CurrentSpecReport().LeafNodeText, breaks, `[ "$(cat `+file+`)" = 127.0.0.1:8300 ]`)
		if answers {
			requests.End() // all of them: they waited meanwhile
		}
	},
		Entry("upstream file deleted", "rm "+file, true),
		Entry("upstream file emptied", ": >"+file, true),
		Entry("upstream file pointing nowhere", "echo 127.0.0.1:1 >"+file, true),
		Entry("upstream file with nonsense", "echo nonsense >"+file, false),
		Entry("the directory of all deleted", "rm -r "+stateDir+"/upstreams", false),
	)
})

var _ = Describe("A secrets file", func() {
	// running is what the process has of it.
	running := func(ctx context.Context) (string, error) { return s.Get(ctx, broken, "/env") }

	It("survives F32: changed, and the service runs as a new instance", func(ctx SpecContext) {
		before := s.WaitSettled(ctx, broken).Serving.Instance
		stage.Within(time.Second, "secrets changed → they are what the service runs with", func() {
			Expect(s.Biz.Write(ctx, secretsFile, []byte("SECRET_KEY=second\n"), 0o600)).To(Succeed())
			Eventually(ctx, running).WithTimeout(stage.Patience).WithPolling(20 * time.Millisecond).Should(MatchRegexp("(?m)^SECRET_KEY=second$"))
		})
		Expect(s.WaitSettled(ctx, broken).Serving.Instance).NotTo(Equal(before))
	})

	DescribeTable("survives F32:", func(ctx SpecContext, breaks, reason, mends string) {
		before := primary(ctx).MainPID
		stage.Within(time.Second, CurrentSpecReport().LeafNodeText+" → in status", func() {
			s.Shell(ctx, s.Biz, breaks)
			s.WaitReason(ctx, broken, reason)
		})
		Expect(s.Get(ctx, broken, "/")).To(Equal("two"))
		stage.Within(time.Second, "secrets mended → as before", func() {
			s.Shell(ctx, s.Biz, mends)
			s.Await(ctx, broken, "Synced", func(st v1.ServiceState) bool { return st.Sync == v1.Synced && st.State == v1.Settled })
		})
		Expect(primary(ctx).MainPID).To(Equal(before), "what runs goes on running")
	},
		Entry("secrets readable by others", "chmod 644 "+secretsFile, "SecretsExposed", "chmod 600 "+secretsFile),
		Entry("secrets missing", "mv "+secretsFile+" /root/", "SecretsMissing", "mv /root/broken.env "+secretsFile),
		Entry("secrets of somebody else", "chown nobody "+secretsFile, "SecretsWrongOwner", "chown root "+secretsFile),
		Entry("secrets behind a link", "mv "+secretsFile+" /root/; ln -s /root/broken.env "+secretsFile, "SecretsSymlink", "mv /root/broken.env "+secretsFile),
		Entry("secrets missing with their directory", "mv /var/lib/biz-secrets /root/", "SecretsMissing", "mv /root/biz-secrets /var/lib/"),
	)
})
