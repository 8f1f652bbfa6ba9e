package systemd

import (
	"fmt"
	"path/filepath"
	"strings"

	v1 "deployer/api/v1"
)

// identity: both slots run as the same user, else the standby would take the state
// directory away from the slot that serves.
func (r *renderer) identity() ([]directive, error) {
	user, err := plainValue(r.release.UserName())
	if err != nil {
		return nil, fmt.Errorf("exec.user: %w", err)
	}
	out := []directive{{"User", user}}
	if g := r.release.Exec.Group; g != "" {
		group, err := plainValue(g)
		if err != nil {
			return nil, fmt.Errorf("exec.group: %w", err)
		}
		out = append(out, directive{"Group", group})
	}
	if d := r.release.Hardening.DynamicUser; d != nil {
		out = append(out, directive{"DynamicUser", yesNo(*d)})
	}
	out = append(out, directive{"RuntimeDirectory", runtimeDirectory(r.spec.Service, r.spec.Slot)})
	if s := r.release.StateDirectory; s != "" {
		state, err := plainValue(s)
		if err != nil || !filepath.IsLocal(s) || strings.Contains(s, ":") {
			return nil, fmt.Errorf("stateDirectory: %q is not the name of a directory", s)
		}
		out = append(out, directive{"StateDirectory", state})
	}
	return append(out, directive{"SyslogIdentifier", r.spec.Service}), nil
}

// runtimeDirectory is not the bare name: /run/user or /run/systemd would change their owner.
func runtimeDirectory(service string, slot v1.Slot) string {
	if slot == v1.Standby {
		return "biz-" + service + "-standby"
	}
	return "biz-" + service
}
