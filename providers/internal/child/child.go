// Package child knows what a process that we started died of.
package child

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"time"
)

// patience is how much later than its child a process may hear of the same signal.
const patience = 200 * time.Millisecond

// AwaitSignal gives ctx a moment to end when err says that a child died of a signal: Ctrl-C
// goes to the whole process group, which a child that has only just begun has not left yet.
func AwaitSignal(ctx context.Context, err error) {
	if !signalled(err) {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func signalled(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}
