package messenger

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

func TestMessenger(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "providers/messenger")
}

var _ = Describe("a command", func() {
	shell := func(script string) providers.Messenger { return NewCommand([]string{"/bin/sh", "-c", script}) }

	It("gets the message on its standard input, and nothing of the daemon's environment", func(ctx SpecContext) {
		GinkgoT().Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		out := filepath.Join(GinkgoT().TempDir(), "out")
		Expect(shell("cat > "+out+"; env >> "+out).Send(ctx, []byte(`{"a":1}`))).To(Succeed())
		data, err := os.ReadFile(out)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(And(HavePrefix(`{"a":1}`), Not(ContainSubstring("secret"))))
	})

	It("that fails says how, in one line", func(ctx SpecContext) {
		Expect(shell("echo no; echo way >&2; exit 3").Send(ctx, nil)).To(MatchError("notifying by command sh: exit status 3: no way"))
	})

	It("that is not there is an error", func(ctx SpecContext) {
		Expect(NewCommand([]string{"/nonexistent/tell"}).Send(ctx, nil)).To(MatchError(ContainSubstring("command tell")))
	})

	It("that does not read is no failure, and one that does not end is ended with all it started", func(ctx SpecContext) {
		Expect(shell("true").Send(ctx, make([]byte, 1<<20))).To(Succeed())
		hurried, stop := context.WithTimeout(ctx, 100_000_000)
		defer stop()
		Expect(shell("sleep 60 & sleep 60").Send(hurried, nil)).To(MatchError(ContainSubstring("did not end")))
	})
})

var _ = Describe("a webhook", func() {
	var status int
	var got, kind string
	var server *httptest.Server
	BeforeEach(func() {
		status = http.StatusOK
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got, kind = string(body), r.Method+" "+r.Header.Get("Content-Type")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		DeferCleanup(server.Close)
	})
	hook := func(url string) providers.Messenger {
		GinkgoHelper()
		w, err := NewWebhook(url)
		Expect(err).NotTo(HaveOccurred())
		return w
	}

	It("gets the message as a POST of JSON", func(ctx SpecContext) {
		Expect(hook(server.URL+"/T/token").Send(ctx, []byte(`{"a":1}`))).To(Succeed())
		Expect(got).To(Equal(`{"a":1}`))
		Expect(kind).To(Equal("POST application/json"))
	})

	DescribeTable("that says no is an error, which does not tell its URL",
		func(ctx SpecContext, answer int) {
			status = answer
			err := hook(server.URL+"/T/token").Send(ctx, nil)
			Expect(err).To(MatchError(ContainSubstring(http.StatusText(answer))))
			Expect(err.Error()).NotTo(ContainSubstring("token"))
		},
		Entry("redirect", http.StatusFound), Entry("unknown", http.StatusNotFound), Entry("ill", http.StatusBadGateway),
	)

	It("that is not there is an error, which does not tell its URL", func(ctx SpecContext) {
		server.Close()
		err := hook(server.URL+"/T/token").Send(ctx, nil)
		Expect(err).To(HaveOccurred())
		Expect(err.Error()).NotTo(ContainSubstring("token"))
	})

	It("is an http or https URL", func() {
		for _, url := range []string{"", "example.com/hook", "ftp://example.com", "https://", "ht tp://x"} {
			_, err := NewWebhook(url)
			Expect(err).To(HaveOccurred(), url)
		}
	})
})
