package stage

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// Get asks a service of biz over https, through Caddy, as a browser would.
func (s *Stage) Get(ctx context.Context, name, path string) (string, error) {
	client, err := s.Biz.HTTP(ctx)
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	return get(ctx, client, "https://"+Domain(name)+path)
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return strings.TrimSpace(string(body)), err
}

// WaitAnswer waits until the release answers, on a new connection each time: one that
// Caddy accepted in the moment in which its routes changed may keep the old ones for as
// long as it lives.
func (s *Stage) WaitAnswer(ctx context.Context, name, release string) {
	GinkgoHelper()
	client, err := s.Biz.HTTP(ctx)
	Expect(err).NotTo(HaveOccurred())
	defer client.CloseIdleConnections()
	Eventually(ctx, func(ctx context.Context) (string, error) {
		defer client.CloseIdleConnections()
		return get(ctx, client, "https://"+Domain(name)+"/")
	}).WithTimeout(Patience).WithPolling(every / 2).Should(Equal(release))
}

// Watch asks a service again and again; End says what was wrong.
type Watch struct {
	stop  context.CancelFunc
	done  sync.WaitGroup
	mu    sync.Mutex
	asked int
	wrong []string
}

// between two questions of a Watch.
const between = 20 * time.Millisecond

// StartWatch asks a service over https until End: each answer must be the release's.
func (s *Stage) StartWatch(ctx context.Context, name, release string) *Watch {
	GinkgoHelper()
	client, err := s.Biz.HTTP(ctx)
	Expect(err).NotTo(HaveOccurred())
	client.Timeout = 20 * time.Second
	ctx, stop := context.WithCancel(ctx)
	w := &Watch{stop: stop}
	w.done.Go(func() {
		defer client.CloseIdleConnections()
		for ctx.Err() == nil {
			began := time.Now()
			answer, err := get(ctx, client, "https://"+Domain(name)+"/")
			w.note(ctx, began, answer, release, err)
			time.Sleep(between)
		}
	})
	return w
}

func (w *Watch) note(ctx context.Context, began time.Time, answer, release string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return // the end of the watch, not of the service
	}
	w.asked++
	if err != nil {
		answer = err.Error()
	}
	if err != nil || answer != release {
		w.wrong = append(w.wrong, fmt.Sprintf("%s (after %s): %s", began.Format("15:04:05.000"), time.Since(began).Round(time.Millisecond), answer))
	}
}

// End ends the watch, after an answer at least, and expects that every answer was right.
// What ended before needs no second end.
func (w *Watch) End() {
	GinkgoHelper()
	Eventually(w.answers).WithTimeout(Patience).Should(BeNumerically(">", 0))
	w.stop()
	w.done.Wait()
	Expect(w.wrong).To(BeEmpty(), "of %d answers", w.asked)
	GinkgoWriter.Printf("%d answers, all of them right\n", w.asked)
}

func (w *Watch) answers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}
