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

	"deployer/providers/conformance"
)

// programVariable makes the test binary a service's program; the rest says how it behaves.
const (
	programVariable = "TEST_PROGRAM"
	exitVariable    = "TEST_EXIT"
	sayVariable     = "TEST_SAY"
)

// sawFile is where the program writes what it was given, below its runtime directory.
const sawFile = "saw.json"

func program() int {
	if line := os.Getenv(sayVariable); line != "" {
		fmt.Println(line)
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
	<-stop
	return 0
}
