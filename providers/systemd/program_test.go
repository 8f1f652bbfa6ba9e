package systemd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"deployer/providers/conformance"
)

// programVariable makes the test binary a service's program; the rest says how it behaves.
const (
	programVariable = "TEST_PROGRAM"
	exitVariable    = "TEST_EXIT"
	sayVariable     = "TEST_SAY"
	timesVariable   = "TEST_SAY_TIMES"
	readyVariable   = "TEST_READY_AFTER"
)

// checkWord as the first argument makes the program a health command: the second one is its
// exit status, KILL, sleep or hang (which no SIGTERM ends), and it prints what it was given.
const checkWord = "check"

// checkSaw is what a health command was given.
type checkSaw struct {
	conformance.UnitsProcess
	UID int
}

func check(args []string) int {
	saw := checkSaw{UnitsProcess: conformance.UnitsProcess{Args: args, Env: map[string]string{}}, UID: os.Getuid()}
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		saw.Env[name] = value
	}
	data, err := json.Marshal(saw)
	if err != nil {
		return 90
	}
	fmt.Printf("%s\n", data)
	switch args[0] {
	case "hang":
		signal.Ignore(syscall.SIGTERM)
		select {}
	case "sleep":
		select {}
	case "KILL":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	status, err := strconv.Atoi(args[0])
	if err != nil {
		return 91
	}
	return status
}

// sawFile is where the program writes what it was given, below its runtime directory.
const sawFile = "saw.json"

func program() int {
	if len(os.Args) > 1 && os.Args[1] == checkWord {
		return check(os.Args[2:])
	}
	if line := os.Getenv(sayVariable); line != "" {
		times, _ := strconv.Atoi(os.Getenv(timesVariable))
		fmt.Print(strings.Repeat(line+"\n", max(times, 1)))
	}
	if status := os.Getenv(exitVariable); status != "" {
		n, _ := strconv.Atoi(status)
		return n
	}
	saw := conformance.UnitsProcess{Args: os.Args[1:], Env: map[string]string{}}
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		saw.Env[name] = value
	}
	data, err := json.Marshal(saw)
	if err != nil {
		return 90
	}
	path := filepath.Join(os.Getenv("RUNTIME_DIRECTORY"), sawFile)
	if err := os.WriteFile(path+".part", data, 0o600); err != nil {
		fmt.Println(err)
		return 91
	}
	if err := os.Rename(path+".part", path); err != nil {
		return 92
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	// Never is not a duration.
	if after, err := time.ParseDuration(os.Getenv(readyVariable)); err == nil {
		time.AfterFunc(after, func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyReady) })
	}
	<-stop
	return 0
}
