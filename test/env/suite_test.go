package env_test

import (
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

func TestEnv(t *testing.T) {
	env.Require(t)
	RegisterFailHandler(Fail)
	RunSpecs(t, "test host")
}

// TestCrashingOwner is no test: it is the process that a spec starts and kills.
func TestCrashingOwner(t *testing.T) {
	if os.Getenv(crashingOwner) == "" {
		return
	}
	if err := becomeOwner(t.Context()); err != nil {
		t.Fatal(err)
	}
}
