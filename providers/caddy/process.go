package caddy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"deployer/providers/internal/listeners"
)

// process is a running process: a pid is used again, a pid and its start time are not.
type process struct {
	pid   int
	start string
}

func (p process) file(name string) string {
	return filepath.Join("/proc", strconv.Itoa(p.pid), name)
}

// process finds who listens on the admin endpoint.
func (a *admin) process(ctx context.Context) (process, error) {
	pid, err := a.pid(ctx)
	if err != nil {
		return process{}, fmt.Errorf("finding the process behind %s: %w", a.name, err)
	}
	p := process{pid: pid}
	stat, err := os.ReadFile(p.file("stat"))
	if err != nil {
		return process{}, fmt.Errorf("finding the process behind %s: %w", a.name, err)
	}
	// The name in parentheses may hold anything; the start time is the 20th field after it.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return process{}, fmt.Errorf("finding the process behind %s: strange /proc/%d/stat", a.name, pid)
	}
	p.start = fields[19]
	return p, nil
}

func (a *admin) pid(ctx context.Context) (int, error) {
	if a.network == "tcp" {
		return a.tcpPid()
	}
	conn, err := a.dial(ctx, "", "")
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *syscall.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) {
		peer, peerErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, peerErr); err != nil {
		return 0, err
	}
	if peer.Pid <= 0 {
		return 0, errors.New("it is in another PID namespace")
	}
	return int(peer.Pid), nil
}

func (a *admin) tcpPid() (int, error) {
	sockets, err := listeners.On(listenPort(a.address))
	if err != nil {
		return 0, err
	}
	pid, found := listeners.Holder(sockets)
	if !found {
		return 0, errors.New("no process that we can see listens there")
	}
	return pid, nil
}

// arguments of the process, without its name.
func (p process) arguments() ([]string, error) {
	line, err := os.ReadFile(p.file("cmdline"))
	if err != nil {
		return nil, err
	}
	args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	return slices.Clone(args[1:]), nil
}

// rootOwns: the file is root's and nobody else may write it.
func rootOwns(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0 && info.Mode().Perm()&0o022 == 0
}
