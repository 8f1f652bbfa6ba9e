package objectstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
	"deployer/test/env"
)

const (
	accessKey = "writer"
	secretKey = "not-a-secret"
	bucket    = "store"
)

// gateway is a real S3 server, versitygw, on a directory that goes away with it.
type gateway struct {
	addr        string
	dir         string
	credentials string
}

// startGateway starts one for the running spec or container.
func startGateway() *gateway {
	GinkgoHelper()
	g := &gateway{addr: env.LocalS3(GinkgoT(), accessKey, secretKey, bucket), dir: GinkgoT().TempDir()}
	g.credentials = filepath.Join(g.dir, "credentials")
	writeCredentials(g.credentials, accessKey, secretKey)
	return g
}

func writeCredentials(path, key, secret string) {
	GinkgoHelper()
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key, secret)
	Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
}

// open opens the gateway's bucket, or a prefix of it, by way of an address: its own or
// that of a proxy before it.
func (g *gateway) open(addr, prefix string, change ...func(*objectstore.Options)) providers.Objects {
	GinkgoHelper()
	o := objectstore.Options{CredentialsFile: g.credentials, PartSize: 5 << 20}
	for _, c := range change {
		c(&o)
	}
	s, err := objectstore.Open(context.Background(), fmt.Sprintf("s3://%s/%s?endpoint=%s&scheme=http", bucket, prefix, addr), o)
	Expect(err).NotTo(HaveOccurred())
	return s
}
