package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// wrap runs the program proper as a child and waits for it, as scripts and many Python
// programs do: the process that systemd knows is not the one that listens. A signal to
// this process alone ends this process alone.
func wrap(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program to wrap: %w", err)
	}
	child := exec.Command(self, append(slices.Clone(args), "mode=web")...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Run(); err != nil {
		return fmt.Errorf("wrapping: %w", err)
	}
	return nil
}
