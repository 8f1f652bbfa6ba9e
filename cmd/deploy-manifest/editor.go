package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// editor is the command of the person's editor, as a shell reads it.
func editor(getenv func(string) string) (string, error) {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if command := getenv(name); command != "" {
			return command, nil
		}
	}
	for _, name := range []string{"vi", "nano"} {
		if _, err := exec.LookPath(name); err == nil {
			return name, nil
		}
	}
	return "", errors.New("there is no editor: neither VISUAL nor EDITOR is set, and neither vi nor nano is installed; " +
		"name one in EDITOR, or use `deploy-manifest set` or `deploy-manifest apply -f FILE`")
}

// runEditor waits for the editor. It goes through a shell, for EDITOR may have options, and
// is not bound to the command's context: Ctrl-C in an editor is for the editor.
func runEditor(c *cobra.Command, command, file string) error {
	cmd := exec.CommandContext(context.WithoutCancel(c.Context()), "/bin/sh", "-c", command+` "$@"`, command, file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
	pressed := make(chan os.Signal, 1)
	signal.Notify(pressed, os.Interrupt) // so that none of them, not the second either, ends us
	defer signal.Stop(pressed)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the editor (%s) failed: %w", command, err)
	}
	return nil
}

// afterEditor gives the command a context that knows nothing of what was pressed in the
// editor, and that an interrupt from now on ends.
func afterEditor(c *cobra.Command) (stop func()) {
	ctx, stop := signal.NotifyContext(context.WithoutCancel(c.Context()), os.Interrupt, syscall.SIGTERM)
	c.SetContext(ctx)
	return stop
}
