package env

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// network is a lab's bridge: 10.213.<index>.0/24, where .1 is the outer machine. Nothing is
// routed out of it and nothing of the outer machine's own network is touched.
type network struct {
	lab   string
	index int
}

const (
	outerNumber = 1
	s3Number    = 2
	// Hosts count from here.
	firstHostNumber = 10
)

func (n network) bridge() string         { return fmt.Sprintf("dpl%d", n.index) }
func (n network) link(number int) string { return fmt.Sprintf("dpl%d-%d", n.index, number) }
func (n network) addr(number int) string { return fmt.Sprintf("10.213.%d.%d", n.index, number) }

// namespace is the name of a machine's network namespace; machine is a host's name or "s3".
func (n network) namespace(machine string) string { return "dpl-" + n.lab + "-" + machine }

func namespacePath(name string) string { return filepath.Join("/run/netns", name) }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// up makes the bridge if it is missing.
func (n network) up(ctx context.Context) error {
	if exists("/sys/class/net/" + n.bridge()) {
		return nil
	}
	return ipBatch(ctx, "",
		fmt.Sprintf("link add %s type bridge", n.bridge()),
		fmt.Sprintf("addr add %s/24 dev %s", n.addr(outerNumber), n.bridge()),
		fmt.Sprintf("link set %s up", n.bridge()),
	)
}

// join makes the namespace of a machine and plugs it into the bridge, if that is not done yet.
func (n network) join(ctx context.Context, machine string, number int) error {
	ns := n.namespace(machine)
	if exists(namespacePath(ns)) {
		return nil
	}
	if err := run(ctx, "ip", "netns", "add", ns); err != nil {
		return err
	}
	err := ipBatch(ctx, "",
		fmt.Sprintf("link add %s type veth peer name host0 netns %s", n.link(number), ns),
		fmt.Sprintf("link set %s master %s up", n.link(number), n.bridge()),
	)
	if err != nil {
		return err
	}
	return ipBatch(ctx, ns,
		fmt.Sprintf("addr add %s/24 dev host0", n.addr(number)),
		"link set host0 up",
		"link set lo up",
	)
}

// leave removes a machine's namespace; its end of the link goes with it.
func (n network) leave(ctx context.Context, machine string, number int) error {
	var errs []error
	if link := n.link(number); exists("/sys/class/net/" + link) {
		errs = append(errs, run(ctx, "ip", "link", "del", link))
	}
	if ns := n.namespace(machine); exists(namespacePath(ns)) {
		errs = append(errs, run(ctx, "ip", "netns", "del", ns))
	}
	return errors.Join(errs...)
}

func (n network) down(ctx context.Context) error {
	if !exists("/sys/class/net/" + n.bridge()) {
		return nil
	}
	return run(ctx, "ip", "link", "del", n.bridge())
}

// ipBatch runs several ip commands in one process; namespace "" is the outer one.
func ipBatch(ctx context.Context, namespace string, lines ...string) error {
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = append([]string{"-netns", namespace}, args...)
	}
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("setting up the network of a lab: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
