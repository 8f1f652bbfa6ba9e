// Generator asks services of one host as many clients at once would, and prints what they got
// as JSON: package load as a process of its own, so that neither the race detector of a test nor
// the rest of it slows the clients down, and so that it can also run on a test host.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"deployer/test/load"
)

const usage = `Usage: generator --address HOST [--ca FILE] [--for 10m] [--max N] [--pause 10ms] TARGET…

Every target is name=domain,kind:connections,…; the kinds are get, post, slow, h2, websocket and
download. All are asked at HOST, by https where there is a CA, and by http where there is none.
It ends by itself, and earlier with SIGINT or SIGTERM, or when its stdin ends.

  stderr  "ready" once every connection had a good answer; then a line for each failure
  stdout  the report, as JSON

Example: generator --address 10.213.0.10 --ca root.crt web=web.example.com,get:12,post:12,websocket:1

Exit codes: 0 it ran, whatever it saw; 1 error; 2 usage.
`

var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case err != nil:
		fmt.Fprintln(os.Stderr, "generator:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := options(args)
	if err != nil {
		return err
	}
	ready, done := make(chan struct{}), make(chan struct{})
	o.Ready, o.Failures = ready, os.Stderr
	go func() {
		select {
		case <-ready:
			fmt.Fprintln(os.Stderr, "ready")
		case <-done:
		}
	}()
	report, err := load.Run(ctx, o)
	close(done)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}

func options(args []string) (load.Options, error) {
	var o load.Options
	flags := flag.NewFlagSet("generator", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	address, ca := flags.String("address", "", ""), flags.String("ca", "", "")
	flags.DurationVar(&o.For, "for", 0, "")
	flags.DurationVar(&o.Pause, "pause", 0, "")
	flags.Int64Var(&o.MaxRequests, "max", 0, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w: %w", errUsage, err)
	case *address == "":
		return o, fmt.Errorf("%w: --address is missing", errUsage)
	}
	o.Dial = func(ctx context.Context, network, wanted string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(wanted)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(*address, port))
	}
	if o.TLS, err = trust(*ca); err != nil {
		return o, err
	}
	for _, arg := range flags.Args() {
		t, err := target(arg)
		if err != nil {
			return o, fmt.Errorf("%w: %w", errUsage, err)
		}
		o.Targets = append(o.Targets, t)
	}
	return o, nil
}

func trust(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // no file: plain HTTP
	}
	certificate, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		return nil, fmt.Errorf("reading the CA: %s is not a certificate", file)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}

// target reads name=domain,kind:connections,….
func target(arg string) (load.Target, error) {
	name, rest, _ := strings.Cut(arg, "=")
	parts := strings.Split(rest, ",")
	t := load.Target{Name: name, Host: parts[0], Mix: load.Mix{}}
	for _, part := range parts[1:] {
		kind, count, _ := strings.Cut(part, ":")
		n, err := strconv.Atoi(count)
		if err != nil {
			return t, fmt.Errorf("target %q: %q is not kind:connections", arg, part)
		}
		t.Mix[load.Kind(kind)] = n
	}
	return t, nil
}
