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
	"syscall"
	"time"
)

func main() {
	s, err := loadSettings(os.Args[1:], os.Environ())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Printf("release %s starting, mode %s\n", s.Release, s.Mode)
	if s.PrintEnv {
		for _, e := range os.Environ() {
			fmt.Println(e)
		}
	}
	if s.IgnoreSigterm {
		signal.Ignore(syscall.SIGTERM)
	}
	if s.ExitAfter > 0 {
		time.AfterFunc(s.ExitAfter, func() {
			fmt.Fprintf(os.Stderr, "release %s: exiting with %d, as told\n", s.Release, s.ExitCode)
			os.Exit(s.ExitCode)
		})
	}
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(s settings) error {
	switch s.Mode {
	case "exit":
		fmt.Fprintf(os.Stderr, "release %s: exiting with %d, as told\n", s.Release, s.ExitCode)
		os.Exit(s.ExitCode)
	case "hang":
		// Runs, and never listens.
		select {}
	case "worker":
		return work(s)
	case "web":
		return serve(s)
	}
	return fmt.Errorf("mode %q is not one of web, worker, exit, hang", s.Mode)
}

// work is a service without HTTP.
func work(s settings) error {
	time.Sleep(s.StartDelay)
	ctx, stop := stopSignal(s)
	defer stop()
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
	server := &http.Server{Handler: handler(s, time.Now()), ReadHeaderTimeout: 10 * time.Second}
	fmt.Printf("release %s listening on %s\n", s.Release, l.Addr())
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		if !s.Graceful {
			// As a program without a handler would end: connections are cut.
			os.Exit(0)
		}
		done <- server.Shutdown(context.Background())
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	fmt.Printf("release %s drained\n", s.Release)
	return <-done
}

// stopSignal ends with SIGTERM or SIGINT, but never with a signal that is to be ignored.
func stopSignal(s settings) (context.Context, context.CancelFunc) {
	if s.IgnoreSigterm {
		return signal.NotifyContext(context.Background(), syscall.SIGINT)
	}
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}
