package cli

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

var _ = Describe("who writes", func() {
	who := func(environ map[string]string) string {
		return whoIn(func(name string) string { return environ[name] }, func() string { return "ann@laptop" })
	}
	DescribeTable("is user@host, and in CI the person and the run", func(environ map[string]string, want string) {
		Expect(who(environ)).To(Equal(want))
	},
		Entry("on a laptop", nil, "ann@laptop"),
		Entry("with CI switched off", map[string]string{"CI": "false"}, "ann@laptop"),
		Entry("in GitHub Actions", map[string]string{
			"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "bob", "GITHUB_RUN_ID": "17",
			"GITHUB_REPOSITORY": "acme/web", "GITHUB_SERVER_URL": "https://github.example.com",
		}, "bob in https://github.example.com/acme/web/actions/runs/17"),
		Entry("in GitHub Actions, with the number of the run only", map[string]string{
			"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "bob", "GITHUB_RUN_ID": "17",
		}, "bob in GitHub run 17"),
		Entry("in GitLab", map[string]string{
			"CI": "true", "GITLAB_CI": "true", "GITLAB_USER_LOGIN": "bob", "CI_JOB_URL": "https://gitlab.example.com/acme/web/-/jobs/4",
		}, "bob in https://gitlab.example.com/acme/web/-/jobs/4"),
		Entry("in Buildkite", map[string]string{
			"CI": "true", "BUILDKITE": "true", "BUILDKITE_BUILD_CREATOR": "Bob B.", "BUILDKITE_BUILD_URL": "https://buildkite.example.com/acme/web/builds/9",
		}, "Bob B. in https://buildkite.example.com/acme/web/builds/9"),
		Entry("in Jenkins", map[string]string{"CI": "true", "BUILD_URL": "https://ci.example.com/job/web/3/"}, "ann@laptop in https://ci.example.com/job/web/3/"),
		Entry("in any other CI", map[string]string{"CI": "1"}, "ann@laptop in CI"),
		Entry("without a password that stands in the run's address",
			map[string]string{"CI": "1", "BUILD_URL": "https://bob:hunter2@ci.example.com/3"}, "ann@laptop in https://ci.example.com/3"),
	)

	It("is never a reason to refuse the manifest", func() {
		by := who(map[string]string{"CI": "1", "CI_COMMIT_AUTHOR": "b\nö\x00b\u202e\xff" + strings.Repeat("ö", 300)})
		Expect(by).To(HavePrefix("böb"))
		m := &v1.Manifest{Version: v1.Version, UpdatedBy: by}
		Expect(m.Validate()).To(BeEmpty())
	})
})
