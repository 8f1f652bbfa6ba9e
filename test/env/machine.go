package env

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// bootTimeout is far above the second or two that a boot takes, for busy machines.
const bootTimeout = 90 * time.Second

// supervise runs systemd-nspawn again for as long as the host asks for a reboot, which it says
// with exit status 133. The container's supervisor must not share a cgroup with this loop.
const supervise = `
machine=$1; shift
while :; do
	sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"' sh "$machine" "$@"
	[ $? -eq 133 ] || exit
done`

func (h *Host) machineCgroup() cgroup { return h.cgroup.child("machine") }

// leader is the PID of the host's systemd as the outer machine sees it, or 0.
func (h *Host) leader() int {
	for _, pid := range h.machineCgroup().child("payload").child("init.scope").pids() {
		if isInit(pid) {
			return pid
		}
	}
	return 0
}

// Running says whether the host is switched on.
func (h *Host) Running() bool { return h.leader() != 0 }

// Boot switches the host on and returns when its systemd has started everything.
func (h *Host) Boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	ready, err := h.listenReady()
	if err != nil {
		return fmt.Errorf("booting host %s: %w", h.Name, err)
	}
	defer ready.Close()
	exited, err := h.startMachine()
	if err != nil {
		return fmt.Errorf("booting host %s: %w", h.Name, err)
	}
	if err := waitReady(ctx, ready, exited); err != nil {
		return fmt.Errorf("booting host %s: %w; its console said:\n%s", h.Name, err, h.consoleTail())
	}
	return nil
}

// startMachine starts the loop around systemd-nspawn; exited closes when the loop ends. It
// outlives this process.
func (h *Host) startMachine() (exited <-chan struct{}, err error) {
	loop, machine := h.cgroup.child("loop"), h.machineCgroup()
	if err := errors.Join(loop.create(), machine.create()); err != nil {
		return nil, err
	}
	console, err := os.OpenFile(h.lab.hostFile(h.Name, ".console"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the console log: %w", err)
	}
	defer console.Close()
	cmd := exec.Command("sh", append([]string{"-c", supervise, "supervise", string(machine)}, h.nspawn()...)...)
	// UNIFIED_HIERARCHY: where the outer machine mixes cgroup v1 and v2, the host gets v2 alone;
	// systemd 257 refuses to boot on v1.
	cmd.Env = []string{"PATH=" + outerPath, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "NOTIFY_SOCKET=" + h.readySocket()}
	cmd.Stdout, cmd.Stderr = console, console
	return startDetached(cmd, loop)
}

const outerPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (h *Host) nspawn() []string {
	return []string{
		"systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--notify-ready=yes",
		"--directory=" + h.root(),
		"--machine=" + h.lab.net.namespace(h.Name), "--hostname=" + h.Name,
		"--network-namespace-path=" + namespacePath(h.lab.net.namespace(h.Name)),
		"--console=read-only", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
	}
}

// startDetached starts cmd in a session and a cgroup of its own, so that it outlives this process
// and dies with the cgroup.
func startDetached(cmd *exec.Cmd, group cgroup) (exited <-chan struct{}, err error) {
	dir, err := os.Open(string(group))
	if err != nil {
		return nil, fmt.Errorf("opening a cgroup: %w", err)
	}
	defer dir.Close()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // only so that no zombie is left: what it said is in its log
		close(done)
	}()
	return done, nil
}

func (h *Host) readySocket() string { return h.lab.hostFile(h.Name, ".ready") }

// listenReady opens the socket on which systemd-nspawn passes on the host's READY=1. It is bound
// anew for every boot that somebody waits for; when nobody does, the message is lost unheard.
func (h *Host) listenReady() (*net.UnixConn, error) {
	_ = os.Remove(h.readySocket())
	return net.ListenUnixgram("unixgram", &net.UnixAddr{Name: h.readySocket(), Net: "unixgram"})
}

func waitReady(ctx context.Context, socket *net.UnixConn, exited <-chan struct{}) error {
	result := make(chan error, 1)
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := socket.Read(buffer)
			if err != nil {
				result <- fmt.Errorf("waiting for the boot: %w", err)
				return
			}
			if bytes.Contains(buffer[:n], []byte("READY=1")) {
				result <- nil
				return
			}
		}
	}()
	select {
	case err := <-result:
		return err
	case <-exited:
		return errors.New("it went off while booting")
	case <-ctx.Done():
		return fmt.Errorf("waiting for the boot: %w", ctx.Err())
	}
}

// consoleTail is the end of what the host printed on its console: the first thing to read when a
// boot goes wrong.
func (h *Host) consoleTail() string { return tail(h.lab.hostFile(h.Name, ".console")) }

func tail(path string) string {
	data, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// Reboot reboots the host in an orderly way, as `systemctl reboot` does, and returns when it is
// up again. Its disk stays, /run and /tmp do not.
func (h *Host) Reboot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	before := h.leader()
	ready, err := h.listenReady()
	if err != nil {
		return fmt.Errorf("rebooting host %s: %w", h.Name, err)
	}
	defer ready.Close()
	// --no-block: the command would be killed by its own success.
	if _, _, err := h.Exec(ctx, "systemctl", "reboot", "--no-block"); err != nil {
		return fmt.Errorf("rebooting host %s: %w", h.Name, err)
	}
	if err := waitReady(ctx, ready, nil); err != nil {
		return fmt.Errorf("rebooting host %s: %w; its console said:\n%s", h.Name, err, h.consoleTail())
	}
	if h.leader() == before {
		return fmt.Errorf("rebooting host %s: the same systemd still runs", h.Name)
	}
	return nil
}

// PowerOff cuts the power: every process of the host dies at once. The disk stays as the programs
// left it, which is kinder than a real power cut: the outer kernel keeps what was not synced.
// Boot switches the host on again.
func (h *Host) PowerOff() error {
	if err := errors.Join(h.cgroup.end(), removeMachineFiles(h.lab.net.namespace(h.Name))); err != nil {
		return fmt.Errorf("powering off host %s: %w", h.Name, err)
	}
	return nil
}
