// Package install sets a Debian or Ubuntu host up for Deployer, and makes sure that one
// which was set up still is: each step looks first, does what is missing, and says which.
// It overwrites nothing that somebody else wrote unless it is told to, and keeps a copy then.
package install

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Result says what became of one thing.
type Result string

// The results.
const (
	// OK: it was as it should be.
	OK Result = "ok"
	// Made and Changed: it is now. In a dry run: it would be.
	Made    Result = "made"
	Changed Result = "changed"
	// Kept: it is not as asked for, and was left alone; the note says why, and the way out.
	Kept Result = "kept"
	// Missing: it is somebody else's to bring; the note says how.
	Missing Result = "missing"
)

// Line is what a step has to say of one thing.
type Line struct {
	Result Result `json:"result"`
	What   string `json:"what"`
	Note   string `json:"note,omitempty"`
}

// Wish is what a person asks for; what is empty is left to the configuration that is
// there, or to the defaults.
type Wish struct {
	Store, Host string
	TrustedKeys []string
}

// Options of Run.
type Options struct {
	Wish
	// Force replaces what somebody else wrote, keeping a copy.
	Force bool
	// DryRun changes nothing.
	DryRun bool
	// WithoutCaddy leaves Caddy alone altogether, NoStart what runs.
	WithoutCaddy, NoStart bool
	// From is the directory with the programs to install; that of this program if empty.
	From string
	// Say gets each line as it comes.
	Say func(Line)

	// Root is where the host's files are; "" is this machine. Tests set it, and Command.
	Root string
	// Command runs a program and gives what it printed.
	Command func(ctx context.Context, name string, args ...string) (string, error)
}

// Paths of what is installed.
const (
	binDir     = "/usr/local/bin"
	unitDir    = "/etc/systemd/system"
	configDir  = "/etc/biz-deployer"
	caddyDir   = "/etc/caddy"
	recordFile = "/var/lib/biz-deployer/installed.json"
)

// installer is one run.
type installer struct {
	Options
	record record
	// unitsChanged: systemd has to read its files again.
	unitsChanged bool
	// restart names the units whose process runs something older than what is installed.
	restart map[string]bool
	// caddy: its unit is ours.
	caddy bool
}

// ErrUnfulfilled says that every step was made, and something was Kept or is Missing.
var ErrUnfulfilled = errors.New("not everything is as asked for: see the lines with kept and missing")

// Run makes every step, in order, until one fails. What is Kept or Missing stops nothing;
// it is ErrUnfulfilled in the end.
func Run(ctx context.Context, o Options) error {
	i := &installer{Options: o, restart: map[string]bool{}}
	if i.Command == nil {
		i.Command = run
	}
	fulfilled, say := true, i.Say
	i.Say = func(l Line) {
		fulfilled = fulfilled && l.Result != Kept && l.Result != Missing
		say(l)
	}
	var err error
	if i.record, err = readRecord(i.path(recordFile)); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		i.check, i.suits, i.directories, i.programs, i.configuration, i.ownUnits, i.webServer, i.load, i.start,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if !fulfilled {
		return ErrUnfulfilled
	}
	return nil
}

// path is where a path of the host lies.
func (i *installer) path(name string) string { return filepath.Join(i.Root, name) }

func (i *installer) say(result Result, what, note string) {
	i.Say(Line{Result: result, What: what, Note: note})
}

// exists reports whether something has that path on the host.
func (i *installer) exists(name string) bool {
	_, err := os.Lstat(i.path(name))
	return err == nil
}

// isDir follows links.
func (i *installer) isDir(name string) bool {
	info, err := os.Stat(i.path(name))
	return err == nil && info.IsDir()
}

func run(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	return string(out), explain(name, args, err)
}

// modes of what is installed.
const (
	openDir  fs.FileMode = 0o755
	closed   fs.FileMode = 0o700
	openFile fs.FileMode = 0o644
	program  fs.FileMode = 0o755
)
