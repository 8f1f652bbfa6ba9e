package objectstore_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
)

func pemOf(certificate []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}

var _ = Describe("A store behind TLS", func() {
	It("is trusted through AWS_CA_BUNDLE only, and the refusal says so", func(ctx SpecContext) {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
		}))
		DeferCleanup(server.Close)
		dir := GinkgoT().TempDir()
		credentials, ca := filepath.Join(dir, "credentials"), filepath.Join(dir, "ca.pem")
		writeCredentials(credentials, accessKey, secretKey)
		Expect(os.WriteFile(ca, pemOf(server.Certificate().Raw), 0o600)).To(Succeed())
		get := func() (string, error) {
			s, err := objectstore.Open(ctx, "s3://store?endpoint="+strings.TrimPrefix(server.URL, "https://"),
				objectstore.Options{CredentialsFile: credentials, Attempts: 1})
			Expect(err).NotTo(HaveOccurred())
			return fetch(ctx, s, providers.GetOptions{})
		}
		GinkgoT().Setenv("AWS_CA_BUNDLE", "")
		_, err := get()
		Expect(expectUnclear(err, objectstore.StoreUnreachable).Error()).To(ContainSubstring("AWS_CA_BUNDLE"))
		GinkgoT().Setenv("AWS_CA_BUNDLE", ca)
		Expect(get()).To(Equal("hello"))
	})
})
