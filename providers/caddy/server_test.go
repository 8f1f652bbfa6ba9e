package caddy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/test/env"
)

// caddyServer is a real Caddy as a process of the test, on loopback only.
type caddyServer struct {
	binary string
	dir    string
	admin  string
	listen string
	paths  providers.Paths
	cmd    *exec.Cmd
	output *bytes.Buffer
}

// startCaddy gives a Caddy with one server, srv0, that has the foreign routes; without
// any, a Caddy with no http app at all.
func startCaddy(admin string, foreign ...string) *caddyServer {
	GinkgoHelper()
	s := &caddyServer{binary: env.Tool(GinkgoT(), "caddy"), dir: GinkgoT().TempDir(), listen: env.FreeAddress(GinkgoT()), admin: admin}
	if s.admin == "unix" {
		s.admin = "unix/" + filepath.Join(s.dir, "admin.sock") + "|0600"
	}
	if s.admin == "tcp" {
		s.admin = "http://" + env.FreeAddress(GinkgoT())
	}
	s.paths = providers.Paths{StateDir: filepath.Join(s.dir, "state")}
	Expect(os.MkdirAll(s.paths.Upstreams(), 0o755)).To(Succeed())
	config := filepath.Join(s.dir, "caddy.json")
	Expect(os.WriteFile(config, []byte(s.config(foreign...)), 0o600)).To(Succeed())
	s.run("run", "--config", config)
	DeferCleanup(s.kill)
	return s
}

func (s *caddyServer) config(foreign ...string) string {
	admin := strings.TrimPrefix(s.admin, "http://")
	if len(foreign) == 0 {
		return fmt.Sprintf(`{"admin":{"listen":%q}}`, admin)
	}
	return fmt.Sprintf(`{"admin":{"listen":%q},"apps":{"http":{"servers":{"srv0":`+
		`{"listen":[%q],"automatic_https":{"disable":true},"routes":[%s]}}}}}`, admin, s.listen, strings.Join(foreign, ","))
}

func (s *caddyServer) run(args ...string) {
	GinkgoHelper()
	s.output = &bytes.Buffer{}
	s.cmd = exec.Command(s.binary, args...)
	s.cmd.Env = []string{"HOME=" + s.dir, "XDG_DATA_HOME=" + s.dir + "/data", "XDG_CONFIG_HOME=" + s.dir + "/config"}
	s.cmd.Stderr = s.output
	Expect(s.cmd.Start()).To(Succeed())
	Eventually(func() error {
		_, err := s.try(http.MethodGet, "/config/", "", nil)
		return err
	}).WithTimeout(20*time.Second).WithPolling(20*time.Millisecond).Should(Succeed(), s.output.String)
}

// kill is kill -9; again is harmless.
func (s *caddyServer) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

func (s *caddyServer) client() *Client {
	GinkgoHelper()
	return s.clientWith(func(*Options) {})
}

func (s *caddyServer) clientWith(change func(*Options)) *Client {
	GinkgoHelper()
	o := Options{Admin: s.admin, Listen: []string{s.listen}, HTTP: HTTPOnly, Paths: s.paths}
	change(&o)
	c, err := New(o)
	Expect(err).NotTo(HaveOccurred())
	return c
}

// try is another person's access to the admin API.
func (s *caddyServer) try(method, path, body string, header http.Header) (*http.Response, error) {
	a, err := newAdmin(s.admin)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(method, a.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	return resp, err
}

// edit is try that must succeed.
func (s *caddyServer) edit(method, path, body string) {
	GinkgoHelper()
	resp, err := s.try(method, path, body, nil)
	for range 5 {
		if dropped(err) { // as every client of this API is, now and then
			time.Sleep(10 * time.Millisecond)
			resp, err = s.try(method, path, body, nil)
		}
	}
	Expect(err).NotTo(HaveOccurred())
	answer, _ := io.ReadAll(resp.Body)
	Expect(resp.StatusCode).To(Equal(http.StatusOK), string(answer))
}

// routes gives the elements of a server as Caddy has them.
func (s *caddyServer) routes(server string) []string {
	GinkgoHelper()
	resp, err := s.try(http.MethodGet, "/config/apps/http/servers/"+server+"/routes", "", nil)
	Expect(err).NotTo(HaveOccurred())
	var raws []json.RawMessage
	Expect(json.NewDecoder(resp.Body).Decode(&raws)).To(Succeed())
	var out []string
	for _, r := range raws {
		out = append(out, string(r))
	}
	return out
}

// names shortens the routes of a server: ours by service, foreign ones by their @id.
func (s *caddyServer) names(server string) []string {
	GinkgoHelper()
	var out []string
	for _, raw := range s.routes(server) {
		var head struct {
			ID string `json:"@id"`
		}
		Expect(json.Unmarshal([]byte(raw), &head)).To(Succeed())
		out = append(out, head.ID)
	}
	return out
}

// ask sends a request for a host through Caddy.
func (s *caddyServer) ask(host, path string) (int, string) {
	GinkgoHelper()
	req, err := http.NewRequest(http.MethodGet, "http://"+s.listen+path, nil)
	Expect(err).NotTo(HaveOccurred())
	req.Host = host
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	for range 5 {
		if dropped(err) { // by a change of Caddy's configuration a moment ago
			time.Sleep(10 * time.Millisecond)
			resp, err = client.Do(req)
		}
	}
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	return resp.StatusCode, string(body)
}

// shift moves a service's traffic as Releases.Shift does: by one rename.
func (s *caddyServer) shift(service, address string) {
	GinkgoHelper()
	temp := filepath.Join(s.dir, "upstream.tmp")
	Expect(os.WriteFile(temp, []byte(address+"\n"), 0o644)).To(Succeed())
	Expect(os.Rename(temp, s.paths.Upstream(service))).To(Succeed())
}
