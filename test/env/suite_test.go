package env_test

import (
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
