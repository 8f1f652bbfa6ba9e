// Command program is the service that tests and the demo deploy: one static binary that can
// be as good or as bad as a test wants.
//
// Each setting of settings.go comes from the closure (the file that <out>/share/program
// names), then from the environment (PROGRAM_START_DELAY=2s), then from the arguments
// (start-delay=2s); the last one wins. So a release can be bad by itself, and the same
// release can be made bad by its manifest.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

func main() {
	args := ownArgs()
	s, err := loadSettings(args, os.Environ())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if s.Mode == "check" {
		os.Exit(check(s))
	}
	fmt.Printf("release %s starting, mode %s\n", s.Release, s.Mode)
	if s.PrintEnv {
		for _, e := range os.Environ() {
			fmt.Println(e)
		}
	}
	if s.OverwriteTitle {
		if err := overwriteTitle(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if s.IgnoreSigterm {
		signal.Ignore(syscall.SIGTERM)
	}
	if s.ExitAfter > 0 {
		time.AfterFunc(s.ExitAfter, func() { exit(s) })
	}
	if err := run(s, args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ownArgs are copies: Go's own strings lie in the memory that overwriteTitle overwrites.
func ownArgs() []string {
	var args []string
	for _, a := range os.Args[1:] {
		args = append(args, strings.Clone(a))
	}
	return args
}

func run(s settings, args []string) error {
	switch s.Mode {
	case "exit":
		exit(s)
	case "hang":
		// Runs, and never listens. Where nothing else goes on, Go takes a select{} for a mistake.
		for {
			time.Sleep(time.Hour)
		}
	case "worker":
		return work(s)
	case "wrapper":
		return wrap(args)
	case "web":
		return serve(s)
	}
	return fmt.Errorf("mode %q is not one of web, worker, wrapper, check, exit, hang", s.Mode)
}

// work is a service without HTTP.
func work(s settings) error {
	time.Sleep(s.StartDelay)
	ctx, stop := stopSignal(s)
	defer stop()
	if _, err := prepare(s); err != nil {
		return err
	}
	fmt.Printf("release %s working\n", s.Release)
	<-ctx.Done()
	fmt.Printf("release %s done\n", s.Release)
	return nil
}

func serve(s settings) error {
	time.Sleep(s.StartDelay)
	ctx, stop := stopSignal(s)
	defer stop()
	l, err := net.Listen("tcp", net.JoinHostPort(s.Address, s.Port))
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	starts, err := prepare(s)
	if err != nil {
		return err
	}
	sockets := newWebsockets()
	h := handler(service{settings: s, started: time.Now(), starts: starts, sockets: sockets})
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	fmt.Printf("release %s listening on %s\n", s.Release, l.Addr())
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		if !s.Graceful {
			// As a program without a handler would end: connections are cut.
			os.Exit(0)
		}
		sockets.goAway()
		done <- server.Shutdown(context.Background())
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	err = <-done
	sockets.wait()
	fmt.Printf("release %s drained\n", s.Release)
	return err
}

// prepare is what comes before a program is ready: its state, and the word to systemd.
func prepare(s settings) (starts int, err error) {
	if s.CountStarts {
		if starts, err = countStart(os.Getenv("STATE_DIRECTORY")); err != nil {
			return 0, err
		}
	}
	if s.NeverReady {
		return starts, nil
	}
	_, err = daemon.SdNotify(false, daemon.SdNotifyReady)
	return starts, err
}

// stopSignal ends with SIGTERM or SIGINT, but never with a signal that is to be ignored.
func stopSignal(s settings) (context.Context, context.CancelFunc) {
	if s.IgnoreSigterm {
		return signal.NotifyContext(context.Background(), syscall.SIGINT)
	}
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}
