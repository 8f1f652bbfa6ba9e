package objectstore_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
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

// startGateway starts one for the running spec or container. Without the binary the spec
// is skipped, or fails where a skip is a failure.
func startGateway(ctx context.Context) *gateway {
	GinkgoHelper()
	binary := findGateway()
	if binary == "" {
		const missing = "versitygw is missing: run hack/setup tools"
		if os.Getenv("DEPLOYER_REQUIRE_HOST") == "1" {
			Fail(missing)
		}
		Skip(missing)
	}
	g := &gateway{addr: freeAddress(), dir: GinkgoT().TempDir()}
	g.credentials = filepath.Join(g.dir, "credentials")
	writeCredentials(g.credentials, accessKey, secretKey)
	data := filepath.Join(g.dir, "data")
	Expect(os.MkdirAll(filepath.Join(data, bucket), 0o755)).To(Succeed())

	var output bytes.Buffer
	cmd := exec.Command(binary, "--port", g.addr, "--quiet", "posix", data)
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey, "HOME=" + g.dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	Expect(cmd.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if CurrentSpecReport().Failed() {
			GinkgoWriter.Printf("versitygw said:\n%s\n", output.String())
		}
	})
	Eventually(ctx, func() error {
		resp, err := http.Get("http://" + g.addr + "/")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}).WithTimeout(20 * time.Second).WithPolling(20 * time.Millisecond).Should(Succeed())
	return g
}

// findGateway looks where hack/setup puts tools.
func findGateway() string {
	if dir := os.Getenv("DEPLOYER_TOOLS_DIR"); dir != "" {
		return existing(filepath.Join(dir, "versitygw"))
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	found, _ := filepath.Glob(filepath.Join(cache, "deployer", "tools", "*", "versitygw"))
	newest, at := "", time.Time{}
	for _, f := range found {
		if info, err := os.Stat(f); err == nil && info.ModTime().After(at) {
			newest, at = f, info.ModTime()
		}
	}
	return newest
}

func existing(path string) string {
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func freeAddress() string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = l.Close() }()
	return l.Addr().String()
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
