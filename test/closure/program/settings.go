package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// settings say how good or bad this release is.
type settings struct {
	// Release is what GET / answers.
	Release string
	// Greeting is the content of the closure's second dependency.
	Greeting string
	// Mode: web, worker (no HTTP), exit (at once), hang (never listens).
	Mode string
	// Address and Port to listen on. Port is $PORT, unless IgnorePort.
	Address, Port string
	// IgnorePort: take port= of the closure, as programs with a fixed port do.
	IgnorePort bool
	// StartDelay passes before it listens.
	StartDelay time.Duration
	// ExitAfter ends the program with ExitCode; 0 is never.
	ExitAfter time.Duration
	ExitCode  int
	// Graceful: SIGTERM lets open requests finish.
	Graceful bool
	// IgnoreSigterm: only SIGKILL ends it.
	IgnoreSigterm bool
	// HealthStatus is what /healthz answers; from UnhealthyAfter on it is 503.
	HealthStatus   int
	UnhealthyAfter time.Duration
	// AnswerDelay passes before each answer.
	AnswerDelay time.Duration
	// PrintEnv writes the environment to stdout at start.
	PrintEnv bool
}

// loadSettings reads the closure beside the binary, then the environment, then arguments.
func loadSettings(args, environ []string) (settings, error) {
	values, err := closureValues()
	if err != nil {
		return settings{}, err
	}
	fixedPort := values["port"]
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if key, ours := strings.CutPrefix(name, "PROGRAM_"); ours {
			values[strings.ReplaceAll(strings.ToLower(key), "_", "-")] = value
		}
		if name == "PORT" {
			values["port"] = value
		}
	}
	for _, a := range args {
		key, value, ok := strings.Cut(a, "=")
		if !ok {
			return settings{}, fmt.Errorf("argument %q is not key=value", a)
		}
		values[key] = value
	}
	if values["ignore-port"] == "yes" {
		values["port"] = fixedPort
	}
	return parse(values)
}

// closureValues follows <out>/share/program to the dependencies of the closure. Run
// outside of one, as by `go run`, there are none.
func closureValues() (map[string]string, error) {
	values := map[string]string{}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding my closure: %w", err)
	}
	index, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "../share/program"))
	if os.IsNotExist(err) {
		return values, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading my closure: %w", err)
	}
	paths := readPairs(string(index))
	config, err := os.ReadFile(paths["config"])
	if err != nil {
		return nil, fmt.Errorf("reading a dependency of my closure: %w", err)
	}
	greeting, err := os.ReadFile(paths["greeting"])
	if err != nil {
		return nil, fmt.Errorf("reading a dependency of my closure: %w", err)
	}
	values = readPairs(string(config))
	values["greeting"] = strings.TrimSpace(string(greeting))
	return values, nil
}

func readPairs(text string) map[string]string {
	pairs := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			pairs[key] = value
		}
	}
	return pairs
}

func parse(values map[string]string) (settings, error) {
	s := settings{
		Release: "none", Mode: "web", Address: "127.0.0.1", Port: "8080",
		ExitCode: 1, Graceful: true, HealthStatus: 200,
	}
	for key, value := range values {
		if err := s.set(key, value); err != nil {
			return s, fmt.Errorf("setting %s=%q: %w", key, value, err)
		}
	}
	return s, nil
}

func (s *settings) set(key, value string) (err error) {
	switch key {
	case "release":
		s.Release = value
	case "greeting":
		s.Greeting = value
	case "mode":
		s.Mode = value
	case "address":
		s.Address = value
	case "port":
		if value != "" {
			s.Port = value
		}
	case "ignore-port":
		s.IgnorePort = value == "yes"
	case "start-delay":
		s.StartDelay, err = time.ParseDuration(value)
	case "exit-after":
		s.ExitAfter, err = time.ParseDuration(value)
	case "exit-code":
		s.ExitCode, err = strconv.Atoi(value)
	case "graceful":
		s.Graceful = value == "yes"
	case "ignore-sigterm":
		s.IgnoreSigterm = value == "yes"
	case "health-status":
		s.HealthStatus, err = strconv.Atoi(value)
	case "unhealthy-after":
		s.UnhealthyAfter, err = time.ParseDuration(value)
	case "answer-delay":
		s.AnswerDelay, err = time.ParseDuration(value)
	case "print-env":
		s.PrintEnv = value == "yes"
	default:
		return fmt.Errorf("no such setting")
	}
	return err
}
