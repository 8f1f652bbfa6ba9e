package main

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestImportcheck(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "importcheck")
}

// tree makes a file tree of Go files from "file: import import …" lines.
func tree(lines ...string) fs.FS {
	files := fstest.MapFS{}
	for _, line := range lines {
		file, imports, _ := strings.Cut(line, ":")
		source := "package x\n"
		for _, path := range strings.Fields(imports) {
			source += fmt.Sprintf("import _ %q\n", path)
		}
		files[file] = &fstest.MapFile{Data: []byte(source)}
	}
	return files
}

var _ = DescribeTable("an import", func(line string, want ...string) {
	problems, err := check(tree(line), rules())
	Expect(err).NotTo(HaveOccurred())
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	if len(want) == 0 {
		Expect(got).To(BeEmpty())
		return
	}
	Expect(got).To(HaveLen(len(want)))
	for i := range want {
		Expect(got[i]).To(HavePrefix(want[i]))
	}
},
	Entry("of the words by the words", "api/v1/a.go: fmt encoding/json sigs.k8s.io/yaml k8s.io/apimachinery/pkg/util/validation/field"),
	Entry("of apimachinery's rest", "api/v1/a.go: fmt k8s.io/apimachinery/pkg/apis/meta/v1",
		"api/v1/a.go:3: package api/v1 must not import k8s.io/apimachinery/pkg/apis/meta/v1: api is words only"),
	Entry("of a provider by the words", "api/v1/a.go: deployer/providers", "api/v1/a.go:2: package api/v1 must not import deployer/providers"),

	Entry("of logr and the queue by the loop", "reconcile/a.go: github.com/go-logr/logr k8s.io/client-go/util/workqueue"),
	Entry("of the words by the loop", "reconcile/a.go: deployer/api/v1",
		"reconcile/a.go:2: package reconcile must not import deployer/api/v1: the loop knows no service"),
	Entry("of client-go's rest by the loop", "reconcile/a.go: k8s.io/client-go/rest", "reconcile/a.go:2"),

	Entry("of the words by the interfaces", "providers/a.go: context deployer/api/v1"),
	Entry("of logr by the interfaces", "providers/a.go: github.com/go-logr/logr", "providers/a.go:2: package providers must not"),
	Entry("of an adapter by the interfaces", "providers/a.go: deployer/providers/nix", "providers/a.go:2"),

	Entry("of its SDK by an adapter", "providers/systemd/a.go: deployer/api/v1 deployer/providers github.com/coreos/go-systemd/v22/dbus"),
	Entry("of its own packages by an adapter", "providers/nix/a.go: deployer/providers/nix/internal/gateway"),
	Entry("of another's SDK by an adapter", "providers/nix/a.go: github.com/aws/aws-sdk-go-v2/service/s3", "providers/nix/a.go:2"),
	Entry("of another adapter by an adapter", "providers/nix/a.go: deployer/providers/objectstore",
		"providers/nix/a.go:2: package providers/nix must not import deployer/providers/objectstore: an adapter imports"),
	Entry("of what adapters share by an adapter", "providers/caddy/a.go: deployer/providers/internal/listeners"),
	Entry("of an adapter by what adapters share", "providers/internal/listeners/a.go: deployer/providers/caddy", "providers/internal/listeners/a.go:2"),
	Entry("of the loop by an adapter", "providers/nix/a.go: deployer/reconcile", "providers/nix/a.go:2"),
	Entry("of the fake by the product", "providers/nix/a.go: deployer/providers/fake", "providers/nix/a.go:2"),
	Entry("of the fake and the conformance specs by tests", "providers/nix/a_test.go: deployer/providers/fake deployer/providers/conformance github.com/onsi/gomega"),
	Entry("of another adapter by tests", "providers/nix/a_test.go: deployer/providers/caddy", "providers/nix/a_test.go:2"),
	Entry("of an implementation by the conformance specs", "providers/conformance/a.go: deployer/providers/nix", "providers/conformance/a.go:2"),

	Entry("of interfaces by a controller", "controllers/service/a.go: deployer/api/v1 deployer/reconcile deployer/providers github.com/go-logr/logr"),
	Entry("of an adapter by a controller", "controllers/service/a.go: deployer/providers/systemd",
		"controllers/service/a.go:2: package controllers/service must not import deployer/providers/systemd: a controller imports"),
	Entry("of another kind by a controller", "controllers/service/a.go: deployer/controllers/manifest", "controllers/service/a.go:2"),
	Entry("of the kinds by the list of kinds", "controllers/a.go: deployer/controllers/service deployer/controllers/manifest"),
	Entry("of an SDK by a controller", "controllers/service/a.go: github.com/coreos/go-systemd/v22/dbus", "controllers/service/a.go:2"),

	Entry("of everything by a command", "cmd/deployerctl/a.go: go.uber.org/zap deployer/providers/nix deployer/controllers/service github.com/spf13/cobra"),
	Entry("of tests by a command", "cmd/deployerctl/a.go: deployer/test/env",
		"cmd/deployerctl/a.go:2: package cmd/deployerctl must not import deployer/test/env: commands wire"),
	Entry("of the test host by a command's tests", "cmd/deployerctl/a_test.go: deployer/test/env"),

	Entry("of zap by a provider", "providers/nix/a.go: go.uber.org/zap/zapcore", "providers/nix/a.go:2: package providers/nix must not import go.uber.org/zap/zapcore: zap is chosen in cmd"),
	Entry("of zap by tests", "controllers/service/a_test.go: github.com/go-logr/zapr", "controllers/service/a_test.go:2"),
	Entry("of zap by the tests of a tool", "hack/importcheck/a_test.go: go.uber.org/zap", "hack/importcheck/a_test.go:2"),
	Entry("of zap by the suites", "test/env/a.go: go.uber.org/zap", "test/env/a.go:2"),

	Entry("in a package nobody thought about", "utils/a.go: fmt", "utils/a.go:1: package utils must not import anything: it has no line in"),
	Entry("in a new adapter", "providers/nomad/a.go: fmt", "providers/nomad/a.go:1"),
	Entry("in a new kind", "controllers/nomad/a.go: fmt", "controllers/nomad/a.go:1"),
)

var _ = Describe("a tree", func() {
	It("is searched but for other modules, test data and hidden directories", func() {
		files := tree(
			"hack/tools/a.go: go.uber.org/zap", "hack/tools/go.mod:",
			"api/testdata/a.go: net/http/x.y deployer/cmd",
			".git/a.go: fmt", "_old/a.go: fmt",
			"api/v1/a.go: deployer/cmd/x deployer/test/env", "api/v1/b.go: deployer/reconcile",
		)
		problems, err := check(files, rules())
		Expect(err).NotTo(HaveOccurred())
		Expect(problems).To(HaveLen(3))
	})

	It("that does not parse is an error, not a pass", func() {
		_, err := check(fstest.MapFS{"api/v1/a.go": {Data: []byte("package")}}, rules())
		Expect(err).To(MatchError(ContainSubstring("api/v1/a.go:1")))
	})
})
