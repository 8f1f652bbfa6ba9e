// Package listeners tells from /proc which process listens on a TCP port, and how many
// connections it has. It is read by providers/probe, for a probe counts only if the slot
// itself answers it, and by providers/caddy, to find the process behind the admin API.
package listeners

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Socket is one listening TCP socket of this network namespace.
type Socket struct {
	Address netip.AddrPort
	Inode   string
}

// On lists the sockets that listen on the port.
func On(port int) ([]Socket, error) {
	var all []Socket
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		found, err := in(table, port)
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("listing listening sockets: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// in stops at the first socket that does not listen: the kernel lists the listening ones
// first, and there may be many thousands of others.
func in(table string, port int) ([]Socket, error) {
	f, err := os.Open(table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var found []Socket
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != stateListen {
			break
		}
		address, err := parseAddress(fields[1])
		if err == nil && int(address.Port()) == port {
			found = append(found, Socket{Address: address, Inode: fields[9]})
		}
	}
	return found, lines.Err()
}

const stateListen = "0A"

// parseAddress reads 0100007F:1F90: words of 4 bytes in host order (little-endian on
// every machine that we build for), and a port. Mapped IPv4 addresses are unmapped.
func parseAddress(s string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	if !ok || err != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("parsing socket address %q", s)
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	address, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("parsing socket address %q", s)
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("parsing socket address %q: %w", s, err)
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(p)), nil
}

// HeldBy reports which of the sockets the process has open. A process that is gone has
// none; one that we may not look into is fs.ErrPermission (it takes CAP_SYS_PTRACE to
// see the open files of other users).
func HeldBy(pid int, sockets []Socket) ([]Socket, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("looking at the open files of process %d: %w", pid, err)
	}
	open := make(map[string]bool, len(entries))
	for _, e := range entries {
		if link, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			open[link] = true
		}
	}
	var held []Socket
	for _, s := range sockets {
		if open["socket:["+s.Inode+"]"] {
			held = append(held, s)
		}
	}
	return held, nil
}

// Holder scans all processes for one that has one of the sockets open; false when none
// is visible. It costs a look at every open file of the host: not for every probe.
func Holder(sockets []Socket) (pid int, found bool) {
	for _, pid := range Pids() {
		if held, err := HeldBy(pid, sockets); err == nil && len(held) > 0 {
			return pid, true
		}
	}
	return 0, false
}

// Pids lists all processes that /proc shows.
func Pids() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Name is the process as people know it: nginx (pid 123).
func Name(pid int) string {
	comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil {
		return fmt.Sprintf("pid %d", pid)
	}
	return fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(comm)), pid)
}
