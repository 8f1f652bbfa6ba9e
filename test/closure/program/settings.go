package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// settings say how good or bad this release is. Each has the name of its field, with
// dashes: start-delay=2s.
type settings struct {
	// Release is what GET / answers.
	Release string
	// Greeting is the content of the closure's second dependency.
	Greeting string
	// Mode: web, worker (no HTTP), exit (at once), hang (never listens), wrapper (the one
	// that listens is its child, as under a script), check (a health command: exit status
	// 0 when /healthz is well).
	Mode string
	// Address and Port to listen on. Port is $PORT, unless IgnorePort.
	Address, Port string
	// IgnorePort: take port= of the closure, as programs with a fixed port do.
	IgnorePort bool
	// StartDelay passes before it listens.
	StartDelay time.Duration
	// NeverReady: systemd is not told that it is ready.
	NeverReady bool
	// ExitAfter ends the program with ExitCode or, when there is one, by ExitSignal, such
	// as KILL or ABRT; 0 is never. In mode exit it ends at once.
	ExitAfter  time.Duration
	ExitCode   int
	ExitSignal syscall.Signal
	// Graceful: SIGTERM lets open requests finish.
	Graceful bool
	// IgnoreSigterm: only SIGKILL ends it.
	IgnoreSigterm bool
	// OverwriteTitle overwrites what /proc shows of its arguments and its environment.
	OverwriteTitle bool
	// CountStarts keeps their number in its state directory, and cannot start without.
	CountStarts bool
	// FailAfter: from then on every answer is 500; 0 is never.
	FailAfter time.Duration
	// AnswerDelay passes before each answer.
	AnswerDelay time.Duration
	// HealthStatus is what /healthz answers; from UnhealthyAfter on it is 503.
	HealthStatus   int
	UnhealthyAfter time.Duration
	// HealthFlaps: after that many answers it is 503 for as many, and well again; 0 is never.
	HealthFlaps int
	// HealthDelay passes before /healthz answers.
	HealthDelay time.Duration
	// HealthBody of /healthz: short, endless, or stalled (half of it never comes).
	HealthBody string
	// HealthRedirect is where /healthz redirects to.
	HealthRedirect string
	// CheckCode, unless 0, is the exit status of mode check, whatever /healthz says.
	CheckCode int
	// CheckDelay passes before it ends.
	CheckDelay time.Duration
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
		ExitCode: 1, Graceful: true, HealthStatus: 200, HealthBody: "short",
	}
	setters := s.setters()
	for key, value := range values {
		set, known := setters[key]
		if !known {
			return s, fmt.Errorf("setting %s=%q: no such setting", key, value)
		}
		if err := set(value); err != nil {
			return s, fmt.Errorf("setting %s=%q: %w", key, value, err)
		}
	}
	return s, nil
}

type setter func(value string) error

func (s *settings) setters() map[string]setter {
	return map[string]setter{
		"release": text(&s.Release), "greeting": text(&s.Greeting), "mode": text(&s.Mode),
		"address": text(&s.Address), "port": text(&s.Port), "ignore-port": yes(&s.IgnorePort),
		"start-delay": span(&s.StartDelay), "never-ready": yes(&s.NeverReady),
		"exit-after": span(&s.ExitAfter), "exit-code": number(&s.ExitCode), "exit-signal": signalName(&s.ExitSignal),
		"graceful": yes(&s.Graceful), "ignore-sigterm": yes(&s.IgnoreSigterm),
		"overwrite-title": yes(&s.OverwriteTitle), "count-starts": yes(&s.CountStarts),
		"fail-after": span(&s.FailAfter), "answer-delay": span(&s.AnswerDelay),
		"health-status": number(&s.HealthStatus), "unhealthy-after": span(&s.UnhealthyAfter),
		"health-flaps": number(&s.HealthFlaps), "health-delay": span(&s.HealthDelay), "health-body": text(&s.HealthBody), "health-redirect": text(&s.HealthRedirect),
		"check-code": number(&s.CheckCode), "check-delay": span(&s.CheckDelay),
		"print-env": yes(&s.PrintEnv),
	}
}

// text leaves what is empty at its default: PORT= says no port.
func text(into *string) setter {
	return func(v string) error {
		if v != "" {
			*into = v
		}
		return nil
	}
}

func yes(into *bool) setter {
	return func(v string) error {
		*into = v == "yes"
		return nil
	}
}

func number(into *int) setter {
	return func(v string) (err error) {
		*into, err = strconv.Atoi(v)
		return err
	}
}

func span(into *time.Duration) setter {
	return func(v string) (err error) {
		*into, err = time.ParseDuration(v)
		return err
	}
}

func signalName(into *syscall.Signal) setter {
	return func(v string) error {
		*into = unix.SignalNum("SIG" + v)
		if *into == 0 {
			return errors.New("not the name of a signal, such as KILL")
		}
		return nil
	}
}
