// Package messenger takes notifications to people: to a command of theirs, or to a webhook.
package messenger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"deployer/providers"
)

// patience bounds one try.
const patience = 10 * time.Second

// Command runs a program with the message on its standard input. It gets no environment but
// a PATH, and what it prints is shown only when it fails.
type Command struct{ args []string }

var _ providers.Messenger = (*Command)(nil)

// NewCommand makes a Command of an argument list. No shell is in between.
func NewCommand(args []string) *Command { return &Command{args: args} }

// Name is the program's.
func (c *Command) Name() string { return "command " + filepath.Base(c.args[0]) }

// Send runs it once. What it started goes with it when it takes too long.
func (c *Command) Send(ctx context.Context, message []byte) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = []string{"PATH=/run/wrappers/bin:/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(message)
	said := &end{}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("notifying by %s: it did not end within %s", c.Name(), patience)
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it ended well, and left something in the background
	case err != nil:
		return fmt.Errorf("notifying by %s: %w: %s", c.Name(), err, said)
	}
	return nil
}

// end keeps the last of what was written.
type end struct{ kept []byte }

func (e *end) Write(p []byte) (int, error) {
	const most = 300
	e.kept = append(e.kept, p...)
	e.kept = e.kept[max(0, len(e.kept)-most):]
	return len(p), nil
}

// String is on one line.
func (e *end) String() string { return strings.Join(strings.Fields(string(e.kept)), " ") }

// Webhook posts the message as JSON. Its URL may hold a token, so it is in no error.
type Webhook struct {
	url, host string
	client    *http.Client
}

var _ providers.Messenger = (*Webhook)(nil)

// NewWebhook makes a Webhook of an http or https URL.
func NewWebhook(to string) (*Webhook, error) {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("a webhook is an http:// or https:// URL")
	}
	client := &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		// A redirect would take the message to somebody whom nobody named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Webhook{url: to, host: u.Host, client: client}, nil
}

// Name is the host that it is sent to.
func (w *Webhook) Name() string { return "webhook at " + w.host }

// Send posts once; any answer below 300 is good.
func (w *Webhook) Send(ctx context.Context, message []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(message))
	if err != nil {
		return fmt.Errorf("notifying by the %s: %w", w.Name(), withoutURL(err))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "biz-deployer")
	response, err := w.client.Do(request)
	if err != nil {
		return fmt.Errorf("notifying by the %s: %w", w.Name(), withoutURL(err))
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 4096)
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("notifying by the %s: it answered %s", w.Name(), response.Status)
	}
	return nil
}

func withoutURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
