package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"deployer/providers"
	"deployer/providers/internal/listeners"
)

// listener judges who would answer on 127.0.0.1. A slot without a control group is not
// looked at. In the good case this costs two short files and the open files of the
// slot's own processes; all processes are looked at only to name a stranger.
func (p *Prober) listener(r providers.ProbeRequest) (providers.ProbeResult, error) {
	if r.ControlGroup == "" {
		return providers.ProbeResult{OK: true}, nil
	}
	all, err := listeners.On(r.Port)
	if err != nil {
		return providers.ProbeResult{}, err
	}
	sockets := answeringLoopback(all)
	if len(sockets) == 0 && len(all) > 0 {
		return unwell(ReasonNotListening, fmt.Sprintf("port %d is only open on %s: listen on 127.0.0.1 or on all addresses", r.Port, all[0].Address.Addr())), nil
	}
	if len(sockets) == 0 {
		return unwell(ReasonNotListening, fmt.Sprintf("nothing listens on port %d", r.Port)), nil
	}
	pids, err := p.processes(r.ControlGroup)
	if err != nil {
		return providers.ProbeResult{}, err
	}
	strange, err := without(sockets, pids)
	if err != nil {
		return providers.ProbeResult{}, err
	}
	if len(strange) == 0 {
		return providers.ProbeResult{OK: true}, nil
	}
	return taken(r.Port, strange)
}

// Holder names who would answer on 127.0.0.1:port.
func (p *Prober) Holder(_ context.Context, port int) (string, error) {
	all, err := listeners.On(port)
	if err != nil {
		return "", err
	}
	sockets := answeringLoopback(all)
	if len(sockets) == 0 {
		return "", nil
	}
	if pid, found := listeners.Holder(sockets); found {
		return listeners.Name(pid), nil
	}
	return "another process", nil
}

// taken names the holder. A socket that is gone by now was never ours to judge: the
// process has just ended.
func taken(port int, strange []listeners.Socket) (providers.ProbeResult, error) {
	if pid, found := listeners.Holder(strange); found {
		return unwell(ReasonPortTaken, fmt.Sprintf("port %d is held by %s", port, listeners.Name(pid))), nil
	}
	now, err := listeners.On(port)
	if err != nil {
		return providers.ProbeResult{}, err
	}
	for _, s := range now {
		if s.Inode == strange[0].Inode {
			return unwell(ReasonPortTaken, fmt.Sprintf("port %d is held by another process", port)), nil
		}
	}
	return unwell(ReasonNotListening, fmt.Sprintf("nothing listens on port %d any more", port)), nil
}

// answeringLoopback keeps the sockets that a connection to 127.0.0.1 reaches. As in the
// kernel, those of exactly that address come before those of all, and IPv4 before IPv6.
func answeringLoopback(all []listeners.Socket) []listeners.Socket {
	for _, address := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		var found []listeners.Socket
		for _, s := range all {
			if s.Address.Addr() == address {
				found = append(found, s)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// without gives the sockets that none of the processes has open.
func without(sockets []listeners.Socket, pids []int) ([]listeners.Socket, error) {
	left := slices.Clone(sockets)
	for _, pid := range pids {
		if len(left) == 0 {
			return nil, nil
		}
		held, err := listeners.HeldBy(pid, left)
		if err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(left, func(s listeners.Socket) bool { return slices.Contains(held, s) })
	}
	return left, nil
}

// processes of a control group and of those below it. The group is looked for where
// systemd keeps it: in the unified tree, or beside v1 controllers in a tree of its own.
// Where none is mounted, every process is asked for its group.
func (p *Prober) processes(group string) ([]int, error) {
	if !filepath.IsAbs(group) || filepath.Clean(group) != group {
		return nil, fmt.Errorf("control group %q is not a clean path", group)
	}
	for _, tree := range []string{"systemd", "unified", ""} {
		dir := filepath.Join(p.cgroupRoot, tree, group)
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			return below(dir)
		}
	}
	var pids []int
	for _, pid := range listeners.Pids() {
		if inGroup(pid, group) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// below reads cgroup.procs of a directory and of all under it, which may go meanwhile.
func below(dir string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // the group was removed while we looked: it has no processes
		}
		for _, line := range strings.Fields(string(content)) {
			if pid, err := strconv.Atoi(line); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the processes of %s: %w", dir, err)
	}
	return pids, nil
}

// inGroup reads lines like 1:name=systemd:/system.slice/web.service.
func inGroup(pid int, group string) bool {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && (fields[2] == group || strings.HasPrefix(fields[2], group+"/")) {
			return true
		}
	}
	return false
}
