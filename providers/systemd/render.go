package systemd

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// What the units say about time.
const (
	// stopTimeout is how long a program may take to stop before it is killed.
	stopTimeout = 30 * time.Second
	// startTimeout bounds what systemd itself does before a program runs.
	startTimeout = 90 * time.Second
	// readyTimeout bounds a start that never reports ready (Type=notify). The health deadline
	// ends it first, whatever that is: it is in no unit, for it applies without a new start.
	readyTimeout = v1.LongestHealthDeadline
	// longestRestartDelay is reached after restartSteps failures in a row.
	longestRestartDelay = 5 * time.Second
	restartSteps        = 8
	// oldRestartDelay is used where systemd cannot grow the delay: a program that dies at
	// once would otherwise be started a hundred times a second.
	oldRestartDelay = time.Second
	// growingDelays is the first systemd with RestartSteps=.
	growingDelays = 254
)

// bootUnit points every upstream file at its primary before services start.
const bootUnit = "biz-deployer-boot.service"

// RenderOptions is what a unit's text depends on besides the release.
type RenderOptions struct {
	Paths providers.Paths
	// Version is the major version of systemd.
	Version int
	// Fallback is the command, the service's name is appended, that points the service's
	// upstream file back at its primary. It reads the primary's address when it runs, for
	// the primary may have another port by then.
	Fallback []string
}

// Unit is a rendered unit.
type Unit struct {
	// Name is the file's name, web.service.
	Name string
	// Text is the whole file.
	Text string
	// PortFile is the content of the file that sets PORT in a standby; empty for none.
	PortFile string

	// sum and portSum are the hashes of both.
	sum, portSum [sha256.Size]byte

	lines []directive
	words []string // of ExecStart, unquoted
}

var serviceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Render writes the unit of a slot. It is pure. The text names no release: only the
// slot's pointer, so that a new release needs no new text and no daemon-reload.
// An error means that the release says something that cannot be written safely.
func Render(spec providers.UnitSpec, o RenderOptions) (Unit, error) {
	if !serviceName.MatchString(spec.Service) {
		return Unit{}, fmt.Errorf("rendering a unit: %q is not a service name", spec.Service)
	}
	u := Unit{Name: v1.UnitName(spec.Service, spec.Slot)}
	if spec.Release == nil {
		return Unit{}, fmt.Errorf("rendering %s: there is no release", u.Name)
	}
	r := renderer{spec: spec, release: *spec.Release, o: o, unit: &u}
	if err := r.render(); err != nil {
		return Unit{}, fmt.Errorf("rendering %s: %w", u.Name, err)
	}
	return u, nil
}

// portFile is the file that sets a standby's PORT; it lies beside the unit's text.
func portFile(p providers.Paths, unit string) string {
	return filepath.Join(p.Services(), strings.TrimSuffix(unit, ".service")+".port")
}

// renderer collects the lines of one unit.
type renderer struct {
	spec    providers.UnitSpec
	release v1.Release
	o       RenderOptions
	unit    *Unit
	text    strings.Builder
}

func (r *renderer) render() error {
	for _, section := range []struct {
		name  string
		lines func() ([]directive, error)
	}{{"Unit", r.unitSection}, {"Service", r.serviceSection}} {
		lines, err := section.lines()
		if err != nil {
			return err
		}
		fmt.Fprintf(&r.text, "\n[%s]\n", section.name)
		for _, l := range lines {
			if len(l.key)+len(l.value)+1 >= longestLine {
				return fmt.Errorf("%s is longer than systemd reads", l.key)
			}
			fmt.Fprintf(&r.text, "%s=%s\n", l.key, l.value)
		}
		r.unit.lines = append(r.unit.lines, lines...)
	}
	if r.spec.Slot == v1.Primary {
		// For people and for systemctl; we write the link ourselves.
		r.text.WriteString("\n[Install]\nWantedBy=multi-user.target\n")
	}
	r.unit.Text = mark(r.spec.Service, r.spec.Slot) + "\n" + seal(r.text.String()) + "\n" + r.text.String()
	r.unit.sum = sha256.Sum256([]byte(r.unit.Text))
	r.unit.portSum = sha256.Sum256([]byte(r.unit.PortFile))
	return nil
}

func (r *renderer) unitSection() ([]directive, error) {
	requires, err := plainList(r.release.Systemd.Requires)
	if err != nil {
		return nil, fmt.Errorf("systemd.requires: %w", err)
	}
	after, err := plainList(r.release.Systemd.After)
	if err != nil {
		return nil, fmt.Errorf("systemd.after: %w", err)
	}
	// What is required is also waited for: Requires= alone starts both at once.
	order := []string{"network.target", bootUnit}
	for _, name := range slices.Concat(after, requires) {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	var own []directive
	if r.holdsUpBoot() {
		order, requires = append(order, "sysinit.target", "basic.target"), append([]string{"sysinit.target"}, requires...)
		own = []directive{{"DefaultDependencies", "no"}, {"Conflicts", "shutdown.target"}, {"Before", "shutdown.target"}}
	}
	out := append([]directive{
		{"Description", r.spec.Service + " (" + string(r.spec.Slot) + ")"},
		{"After", strings.Join(order, " ")},
		{"RequiresMountsFor", r.o.Paths.StateDir + " /nix/store"},
		{"StartLimitIntervalSec", "0"},
	}, own...)
	if len(requires) > 0 {
		out = append(out, directive{"Requires", strings.Join(requires, " ")})
	}
	return out, nil
}

// holdsUpBoot: a target waits for all that it wants, unless that has no default dependencies
// (systemd.target(5)). A program that never says that it is ready would keep multi-user.target,
// and what comes after it, waiting for readyTimeout; so its unit spells the other default
// dependencies of a service out (systemd.service(5)).
func (r *renderer) holdsUpBoot() bool {
	return r.spec.Slot == v1.Primary && r.release.HealthType == v1.HealthNotify
}

func (r *renderer) serviceSection() ([]directive, error) {
	var out []directive
	for _, part := range []func() ([]directive, error){
		r.command, r.environment, r.identity, r.lifetime, r.limits,
		func() ([]directive, error) { return sandbox(r.release.Hardening) },
	} {
		lines, err := part()
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	return out, nil
}

// command is what runs. ':' keeps systemd from replacing $NAME in the arguments.
func (r *renderer) command() ([]directive, error) {
	words := slices.Concat([]string(r.release.Exec.Command), r.release.Exec.Args)
	if len(r.release.Exec.Command) == 0 {
		return nil, fmt.Errorf("exec.command is empty")
	}
	path, err := programPath("exec.command", r.pointer("root"), words[0])
	if err != nil {
		return nil, err
	}
	words = slices.Concat([]string{path}, words[1:])
	r.unit.words = words
	line, err := quoteWords(words)
	if err != nil {
		return nil, fmt.Errorf("exec: %w", err)
	}
	kind := "exec"
	if r.release.HealthType == v1.HealthNotify {
		kind = "notify"
	}
	out := []directive{{"Type", kind}, {"ExecStart", ":" + line}}
	if r.spec.Slot == v1.Standby && len(r.o.Fallback) > 0 {
		back, err := quoteWords(append(slices.Clone(r.o.Fallback), r.spec.Service))
		if err != nil {
			return nil, fmt.Errorf("fallback: %w", err)
		}
		// '+': as root and outside the sandbox. It runs also when nobody else is there to
		// move the traffic: after a kill, with the daemon away.
		out = append(out, directive{"ExecStopPost", "+:" + back})
	}
	return out, nil
}

// environment: a later file wins. None has a '-' before it: a release without its
// environment or secrets must not start. The manifest's environment is in a file because
// every local user can read Environment= over D-Bus.
func (r *renderer) environment() ([]directive, error) {
	out := []directive{{"EnvironmentFile", r.pointer("env")}}
	if r.release.EnvFile != "" {
		out = append(out, directive{"EnvironmentFile", r.pointer("secrets")})
	}
	if r.spec.Slot == v1.Standby && r.spec.StandbyPort != 0 {
		r.unit.PortFile = "PORT=" + strconv.Itoa(r.spec.StandbyPort) + "\n"
		out = append(out, directive{"EnvironmentFile", portFile(r.o.Paths, r.unit.Name)})
	}
	return append(out, directive{"LoadCredential", credential + ":" + r.pointer("revision")}), nil
}

func (r *renderer) lifetime() ([]directive, error) {
	restart, err := plainValue(r.release.Systemd.Restart)
	if err != nil {
		return nil, fmt.Errorf("systemd.restart: %w", err)
	}
	out := []directive{{"Restart", restart}}
	delay := time.Duration(r.release.Systemd.RestartSec)
	switch {
	case r.o.Version < growingDelays:
		out = append(out, directive{"RestartSec", span(max(delay, oldRestartDelay))})
	case delay >= longestRestartDelay:
		out = append(out, directive{"RestartSec", span(delay)})
	default:
		out = append(out, directive{"RestartSec", span(delay)},
			directive{"RestartSteps", strconv.Itoa(restartSteps)},
			directive{"RestartMaxDelaySec", span(longestRestartDelay)})
	}
	start := startTimeout
	if r.release.HealthType == v1.HealthNotify {
		start = readyTimeout
	}
	return append(out,
		directive{"KillMode", "control-group"},
		directive{"TimeoutStartSec", span(start)},
		directive{"TimeoutStopSec", span(stopTimeout)}), nil
}

func (r *renderer) limits() ([]directive, error) {
	res := r.release.Resources
	var out []directive
	for _, l := range []directive{{"MemoryMax", res.MemoryMax}, {"CPUQuota", res.CPUQuota}} {
		if l.value == "" {
			continue
		}
		// A per cent sign is the unit here; systemd knows no specifiers in these lines.
		if _, err := plainValue(l.value); err != nil {
			return nil, fmt.Errorf("resources: %w", err)
		}
		out = append(out, l)
	}
	if res.TasksMax > 0 {
		out = append(out, directive{"TasksMax", strconv.Itoa(res.TasksMax)})
	}
	return out, nil
}

// pointer is a file of the release that the slot's pointer names.
func (r *renderer) pointer(name string) string {
	return filepath.Join(r.o.Paths.Releases(), r.spec.Service, string(r.spec.Slot), name)
}
