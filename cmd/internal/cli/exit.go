// Package cli is what all commands share: exit codes, errors as one sentence, output
// formats, and where the store is found.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
)

// Version is set by the linker.
var Version = "unknown" //nolint:gochecknoglobals // the linker can set nothing else

// The exit codes of every command.
const (
	// ExitOK: as wanted.
	ExitOK = 0
	// ExitError: something failed.
	ExitError = 1
	// ExitUsage: the command line or the input is not valid.
	ExitUsage = 2
	// ExitFailed: a release failed or was rolled back.
	ExitFailed = 3
	// ExitUnknown: the answer is unknown, stale, or there is none.
	ExitUnknown = 4
	// ExitDifferent: still progressing, or differences under --exit-code.
	ExitDifferent = 5
)

// exitHelp is the end of every root command's help.
const exitHelp = `
Exit codes: 0 as wanted; 1 error; 2 usage or invalid input; 3 failed or rolled back;
4 unknown, stale or no word; 5 progressing, or differences under --exit-code.`

// CodedError carries an exit code. With a nil Err nothing is printed.
type CodedError struct {
	Code int
	Err  error
}

// Error is the message of what it carries.
func (e *CodedError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap gives what it carries.
func (e *CodedError) Unwrap() error { return e.Err }

// Exit ends a command with a code and, if err is not nil, with its message.
func Exit(code int, err error) error { return &CodedError{Code: code, Err: err} }

// Usagef is an error in what the person typed: exit code 2.
func Usagef(format string, args ...any) error {
	return &CodedError{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// Main runs a root command and ends the process. The first interrupt cancels the context,
// and the second ends the process at once.
func Main(root *cobra.Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := Run(ctx, root, os.Stderr)
	stop()
	os.Exit(code)
}

// Run runs a root command and gives the exit code; the error, if any, is one line on stderr.
func Run(ctx context.Context, root *cobra.Command, stderr io.Writer) int {
	prepare(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	var exit *CodedError
	code := CodeOf(err)
	if errors.As(err, &exit) && exit.Err == nil {
		return code
	}
	fmt.Fprintf(stderr, "%s: %s\n", root.Name(), strings.TrimRight(err.Error(), "\n"))
	return code
}

// CodeOf is the exit code that an error means.
func CodeOf(err error) int {
	var exit *CodedError
	var stored *manifest.InvalidError
	var invalid v1.ErrorList
	switch {
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &stored):
		return ExitError // what is wrong is in the store, not in what was typed
	case errors.As(err, &invalid):
		return ExitUsage
	}
	return ExitError
}

// prepare gives every command of the tree the same habits.
func prepare(root *cobra.Command) {
	root.Version = Version
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Long = strings.TrimRight(root.Long, "\n") + "\n" + exitHelp
	root.CompletionOptions.HiddenDefaultCmd = true
	// No templates of cobra's: with text/template linked, the linker must keep every method
	// that a template could name, and the binaries grow by 8 MB, most of it resident.
	usage := func(c *cobra.Command, err error) error {
		return Usagef("%w; `%s --help` shows how it is used", err, c.CommandPath())
	}
	root.SetFlagErrorFunc(usage)
	walk(root, func(c *cobra.Command) {
		c.SuggestionsMinimumDistance = 2
		if c.HasSubCommands() && c.RunE == nil {
			c.Args, c.RunE = noSuchCommand, func(c *cobra.Command, _ []string) error { return c.Help() }
		}
		if check := c.Args; check != nil {
			c.Args = func(c *cobra.Command, args []string) error {
				if err := check(c, args); err != nil {
					return usage(c, err)
				}
				return nil
			}
		}
	})
}

// noSuchCommand is what cobra says of a mistyped command, in one line.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	if names := c.SuggestionsFor(args[0]); len(names) > 0 {
		near = "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return fmt.Errorf("there is no command %q%s", args[0], near)
}

func walk(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		walk(sub, f)
	}
}
