package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
)

func (a *app) editCommand() *cobra.Command {
	var w write
	c := &cobra.Command{
		Use:   "edit [SERVICE]",
		Short: "Edit the manifest, or one service, in your editor",
		Long: `edit opens the services of the manifest, or one of them, as YAML in the editor that VISUAL or
EDITOR names (else vi or nano). What you save is checked; with a mistake in it the editor
opens again, with the problems as comments at the top. It is then written as a new
generation, and you are told what that means for the hosts. A service that you delete is
taken down. An unchanged or emptied file changes nothing. Comments are not stored.

When somebody else wrote meanwhile, your changes are applied to what is there now; where
both changed the same field, nothing is written and your text is kept in a file.`,
		Example: `  deploy-manifest edit
  deploy-manifest edit web -m "more memory"
  EDITOR=nano deploy-manifest edit web`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error { return a.editText(c, w, strings.Join(args, "")) },
	}
	w.messageFlag(c)
	w.removalFlag(c)
	return c
}

// editing is one session of the editor.
type editing struct {
	sheet sheet
	// base is the manifest that it began with.
	base *v1.Manifest
	// file is where the text is. The person is told of it when it was not written.
	file string
}

func (a *app) editText(c *cobra.Command, w write, service string) error {
	command, err := editor(os.Getenv)
	if err != nil {
		return err
	}
	r, err := a.repository(c)
	if err != nil {
		return err
	}
	s, err := r.Read(c.Context())
	if err != nil {
		return err
	}
	e := &editing{base: s.Manifest, sheet: sheet{service: service, store: r.StoreName(), generation: s.Manifest.Generation}}
	body, err := e.sheet.body(e.base)
	if err != nil {
		return usage(err)
	}
	if err := e.begin(e.sheet.text(body, nil)); err != nil {
		return err
	}
	wrote, err := a.editUntilValid(c, w, e, command, body)
	switch {
	case err != nil:
		return e.keep(err, body)
	case !wrote:
		fmt.Fprintln(c.OutOrStdout(), "Edit cancelled, no changes made")
	}
	return os.Remove(e.file)
}

// errUnchanged: the editor was left with the mistakes as they were.
var errUnchanged = errors.New("it was left with what is wrong in it")

// editUntilValid opens the editor until what it leaves can be written, or nothing is to be.
func (a *app) editUntilValid(c *cobra.Command, w write, e *editing, command, body string) (wrote bool, err error) {
	var problems error
	for {
		edited := runEditor(c, command, e.file)
		data, err := os.ReadFile(e.file)
		if err := errors.Join(edited, err); err != nil {
			return false, err
		}
		text, before := e.sheet.strip(string(data)), body
		body = text
		switch {
		case isEmpty(text), text == before && problems == nil:
			return false, nil
		case text == before:
			return false, cli.Exit(cli.ExitUsage, fmt.Errorf("%w: %w", errUnchanged, problems))
		}
		wrote, err := a.writeEdited(c, w, e, text)
		var invalid *invalidTextError
		if !errors.As(err, &invalid) {
			return wrote, err
		}
		problems = invalid.err
		if err := os.WriteFile(e.file, []byte(e.sheet.text(text, problems)), 0o600); err != nil {
			return false, fmt.Errorf("writing the problems into the text: %w", err)
		}
	}
}

// invalidTextError is a mistake that the person can correct in the editor.
type invalidTextError struct{ err error }

func (e *invalidTextError) Error() string { return e.err.Error() }
func (e *invalidTextError) Unwrap() error { return e.err }

// writeEdited brings the text into the manifest, whatever that is by now.
func (a *app) writeEdited(c *cobra.Command, w write, e *editing, text string) (wrote bool, err error) {
	mine, err := e.sheet.parse(e.base, text)
	if err != nil {
		return false, &invalidTextError{err}
	}
	if len(v1.Diff(e.base, mine)) == 0 {
		return false, nil
	}
	stop := afterEditor(c)
	defer stop()
	_, err = a.edit(c, w, func(m *v1.Manifest) error {
		return manifest.Rebase(m, manifest.RebaseOptions{Base: e.base, Mine: mine, By: a.who()})
	})
	var list v1.ErrorList
	if errors.As(err, &list) {
		return false, &invalidTextError{err}
	}
	return err == nil, err
}

// begin writes the text for the editor, readable for nobody else.
func (e *editing) begin(text string) error {
	f, err := os.CreateTemp("", "deploy-manifest-*.yaml")
	if err != nil {
		return fmt.Errorf("making a file for the editor: %w", err)
	}
	e.file = f.Name()
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("making a file for the editor: %w", err), os.Remove(e.file))
	}
	return nil
}

// keep tells where the text is that could not be written, if there is more to it than what
// the editor was given.
func (e *editing) keep(err error, given string) error {
	data, readErr := os.ReadFile(e.file)
	if readErr == nil && e.sheet.strip(string(data)) == given {
		return errors.Join(err, os.Remove(e.file))
	}
	return cli.Exit(cli.CodeOf(err), fmt.Errorf("your text is kept in %s: %w", e.file, err))
}
