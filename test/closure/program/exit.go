package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// exit ends the program as its settings say.
func exit(s settings) {
	if s.ExitSignal == 0 {
		fmt.Fprintf(os.Stderr, "release %s: exiting with %d, as told\n", s.Release, s.ExitCode)
		os.Exit(s.ExitCode)
	}
	fmt.Fprintf(os.Stderr, "release %s: ending by %s, as told\n", s.Release, s.ExitSignal)
	// Go exits with status 2 after a crash; with this it ends by the signal (SIGABRT).
	debug.SetTraceback("crash")
	signal.Reset(s.ExitSignal)
	_ = syscall.Kill(os.Getpid(), s.ExitSignal)
	select {}
}
