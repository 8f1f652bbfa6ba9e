package deploy_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

// caddyConfig is all that Caddy on biz has in force.
func caddyConfig(ctx context.Context) string {
	return s.OK(ctx, s.Biz, "curl", "-fsS", "--unix-socket", "/run/caddy/admin.sock", "http://localhost/config/")
}

// state is what biz says of a service that it knows.
func state(ctx context.Context, name string) v1.ServiceState {
	GinkgoHelper()
	st, err := s.Service(ctx, name)
	Expect(err).NotTo(HaveOccurred())
	return st
}
