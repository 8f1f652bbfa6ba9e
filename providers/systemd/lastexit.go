package systemd

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// The ids of what systemd says when a unit's process is gone (sd-messages.h).
const (
	// messageExit has how the process ended, but is not logged for a clean end.
	messageExit = "98e322203f7a4ed290d09fe03c09fe15"
	// messageFailed has the unit's result, messageDone says that it is success.
	messageFailed = "d9b373ed55a64feb8242e02dbe79a49c"
	messageDone   = "7ad2d189f7e94e70a38c781354912448"
)

// journalExit is what systemd adds to its messages about an exit.
type journalExit struct {
	ID         string `json:"MESSAGE_ID"`
	Invocation string `json:"INVOCATION_ID"`
	Code       string `json:"EXIT_CODE"`
	Status     string `json:"EXIT_STATUS"`
	Result     string `json:"UNIT_RESULT"`
}

// LastExit reads what systemd itself wrote: a unit that it has started again keeps nothing
// of the process before but a count. No program can write as process 1.
func (m *Manager) LastExit(ctx context.Context, service string, slot v1.Slot) (providers.Exit, error) {
	unit := v1.UnitName(service, slot)
	// The two newest tell of the last exit, in any order.
	entries, err := m.journal(ctx, 2,
		"--output-fields=MESSAGE_ID,INVOCATION_ID,EXIT_CODE,EXIT_STATUS,UNIT_RESULT",
		"_PID=1", "UNIT="+unit, "MESSAGE_ID="+messageExit, "COMMAND=ExecStart", "+",
		"_PID=1", "UNIT="+unit, "MESSAGE_ID="+messageFailed, "MESSAGE_ID="+messageDone)
	if err != nil {
		return providers.Exit{}, unavailable("reading the last exit of "+unit+" from the journal", err)
	}
	if len(entries) == 0 {
		return providers.Exit{}, fmt.Errorf("reading the last exit of %s: %w", unit, providers.ErrNotFound)
	}
	return lastExit(entries), nil
}

// lastExit puts together what was said of the newest process.
func lastExit(entries []journalEntry) providers.Exit {
	exit := providers.Exit{At: entries[0].at()}
	for _, e := range entries {
		if e.Invocation != entries[0].Invocation {
			continue
		}
		switch e.ID {
		case messageDone:
			exit.Result = "success"
		case messageFailed:
			exit.Result = e.Result
		case messageExit:
			exit.At = e.at()
			e.ended(&exit)
		}
	}
	return exit
}

// ended tells how the process ended. What systemd makes of it may not be written yet.
func (e journalExit) ended(exit *providers.Exit) {
	status, _ := strconv.Atoi(e.Status)
	result := map[string]string{"exited": "exit-code", "killed": "signal", "dumped": "core-dump"}[e.Code]
	if e.Code == "exited" {
		exit.Status = status
	} else {
		exit.Signal = strings.TrimPrefix(unix.SignalName(unix.Signal(status)), "SIG")
	}
	if exit.Result == "" {
		exit.Result = result
	}
}
