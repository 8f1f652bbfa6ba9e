package caddy

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestCaddy(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Routes in Caddy")
}
