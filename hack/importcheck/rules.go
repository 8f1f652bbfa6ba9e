package main

// module is the import path that the packages of this project begin with.
const module = "deployer/"

// rule says what the packages below one directory may import, besides the standard
// library and the packages below that same directory.
type rule struct {
	// dir is the directory, with slashes; "x/..." also means every directory below x.
	// The first rule that fits a package is its rule.
	dir string
	// may lists directories of this project and import paths of others, each with or
	// without "/...". "..." alone is everything.
	may []string
	// not takes something back from may.
	not []string
	// why is shown when the rule is broken.
	why string
}

const (
	logr   = "github.com/go-logr/logr/..."
	zap    = "go.uber.org/zap/..."
	zapr   = "github.com/go-logr/zapr/..."
	whyZap = "zap is chosen in cmd; everything else logs through logr"
)

// rules is the table "who may import whom" of PROJECT.md. A new package has to be
// given a line here: that is the moment to think about where it belongs.
func rules() []rule {
	return []rule{
		{
			dir: "api/...",
			may: []string{"sigs.k8s.io/yaml/...", "k8s.io/apimachinery/pkg/util/validation/field"},
			why: "api is words only: the standard library, sigs.k8s.io/yaml and apimachinery's field",
		},
		{
			dir: "reconcile/...",
			may: []string{logr, "k8s.io/client-go/util/workqueue"},
			why: "the loop knows no service: the standard library, logr and client-go's workqueue, never api",
		},
		{
			dir: "providers",
			may: []string{"api/..."},
			why: "providers is interfaces only: the standard library and api",
		},
		{
			dir: "providers/conformance/...",
			may: []string{"api/...", "providers", "github.com/onsi/ginkgo/v2/...", "github.com/onsi/gomega/..."},
			why: "conformance knows the interfaces and no implementation of them",
		},
		{
			dir: "providers/internal/...",
			may: []string{"golang.org/x/sys/...", "github.com/google/renameio/v2/..."},
			why: "what adapters share is a small thing of the standard library, x/sys and renameio",
		},
		adapter("builder"),
		adapter("caddy"),
		adapter("fake"),
		adapter("files", "github.com/fsnotify/fsnotify"),
		adapter("messenger"),
		adapter("nix", "github.com/nix-community/go-nix/...", "github.com/klauspost/compress/...", "github.com/ulikunitz/xz/..."),
		adapter("objectstore", "github.com/aws/aws-sdk-go-v2/...", "github.com/aws/smithy-go/..."),
		adapter("probe"),
		adapter("releases"),
		adapter("secrets"),
		adapter("statefile"),
		adapter("systemd", "github.com/coreos/go-systemd/v22/...", "github.com/godbus/dbus/v5"),
		{
			dir: "controllers",
			may: []string{"api/...", "reconcile", "providers", "controllers/...", logr},
			why: "controllers decide over interfaces: api, reconcile, providers, the kinds and logr, never an adapter",
		},
		kind("fleet"),
		kind("cache"),
		kind("manifest"),
		kind("notify"),
		kind("push"),
		kind("report"),
		kind("service"),
		kind("sweep"),
		kind("tell"),
		kind("verify"),
		kind("watch"),
		{
			dir: "cmd/...",
			may: []string{"..."},
			not: []string{"test/..."},
			why: "commands wire everything together, but nothing of test is part of the product",
		},
		{
			dir: "config/...",
			may: []string{"api/..."},
			why: "config is files; what reads them is cmd",
		},
		{dir: "hack/...", may: []string{"..."}, not: []string{zap, zapr}, why: whyZap},
		{dir: "test/...", may: []string{"..."}, not: []string{zap, zapr}, why: whyZap},
	}
}

// adapter is the rule of a package under providers: the hands know the words, the
// interfaces and the one SDK that they exist for.
func adapter(name string, sdk ...string) rule {
	return rule{
		dir: "providers/" + name + "/...",
		may: append([]string{
			"api/...", "providers", "providers/internal/...", logr,
			// Not SDKs but safer ways to call the kernel, which any adapter may need.
			"github.com/google/renameio/v2/...", "github.com/gofrs/flock", "golang.org/x/sys/...", "golang.org/x/sync/...",
		}, sdk...),
		why: "an adapter imports api, providers, logr and its own SDK, never another adapter",
	}
}

// kind is the rule of a package under controllers.
func kind(name string) rule {
	return rule{
		dir: "controllers/" + name + "/...",
		may: []string{"api/...", "reconcile", "providers", logr},
		why: "a controller imports api, reconcile, providers and logr, never an adapter or another controller",
	}
}

// inTests lists what every _test.go file may import as well.
func inTests() []string {
	return []string{
		"github.com/onsi/ginkgo/v2/...", "github.com/onsi/gomega/...", "github.com/google/go-cmp/...", logr,
		"providers/fake", "providers/conformance", "test/env/...", "test/closure",
	}
}
