package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"deployer/test/env"
)

var commands = map[string]func(ctx context.Context, lab string, args []string) error{
	"build": build,
	"up":    up,
	"exec":  execute,
	"shell": shell,
	"logs":  logs,
	"ls":    list,
	"down":  down,
}

func build(ctx context.Context, _ string, _ []string) error {
	dir, err := env.BuildImage(ctx, os.Stderr)
	if err == nil {
		fmt.Fprintln(os.Stderr, "testhost: image", dir)
	}
	return err
}

func up(ctx context.Context, labName string, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: up takes the name of a host", errUsage)
	}
	began := time.Now()
	if _, err := env.BuildImage(ctx, os.Stderr); err != nil {
		return err
	}
	lab, err := env.NewLab(ctx, env.LabOptions{Name: labName, Detached: true})
	if err != nil {
		return err
	}
	opts := env.HostOptions{}
	if args[0] == "laptop" {
		opts.Kind = env.Laptop
	}
	host, err := lab.Up(ctx, args[0], opts)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "testhost: %s (%s) is up at %s after %.1f s\n", host.Name, host.Kind, host.Addr, time.Since(began).Seconds())
	fmt.Printf("export DEPLOYER_STORE='%s'\n", lab.S3.URL("", env.WriterProfile))
	fmt.Printf("export AWS_SHARED_CREDENTIALS_FILE='%s'\n", lab.S3.CredentialsFile())
	fmt.Printf("export DEPLOYER_HOST_ADDR='%s'\n", host.Addr)
	if host.Kind == env.Server {
		fmt.Printf("export DEPLOYER_CADDY='https://%s'\n", host.Addr)
	}
	return nil
}

// running finds a host that is up.
func running(labName, name string) (*env.Host, error) {
	lab, err := env.OpenLab(labName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil || lab.Host(name) == nil {
		return nil, fmt.Errorf("there is no host %s: hack/testhost up %s makes it", name, name)
	}
	if !lab.Host(name).Running() {
		return nil, fmt.Errorf("host %s is off: hack/testhost up %s boots it", name, name)
	}
	return lab.Host(name), nil
}

func execute(ctx context.Context, labName string, args []string) error {
	if len(args) > 1 && args[1] == "--" {
		args = append(args[:1:1], args[2:]...)
	}
	if len(args) < 2 {
		return fmt.Errorf("%w: exec takes the name of a host, -- and a command", errUsage)
	}
	host, err := running(labName, args[0])
	if err != nil {
		return err
	}
	return runThere(ctx, host, env.Command{Args: args[1:]})
}

// runThere connects a command on a host to this process's streams.
func runThere(ctx context.Context, host *env.Host, command env.Command) error {
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := host.Run(ctx, command)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return commandEnded(exit.ExitCode())
	}
	return err
}

func shell(ctx context.Context, labName string, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: shell takes the name of a host", errUsage)
	}
	host, err := running(labName, args[0])
	if err != nil {
		return err
	}
	command := env.Command{Args: []string{"/bin/bash", "-l", "-s"}}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		// script gives the shell a terminal of the host's own: ours has no name there.
		command.Args = []string{"script", "--quiet", "--return", "--command", "/bin/bash -l", "/dev/null"}
		command.Env = []string{"TERM=" + os.Getenv("TERM")}
	}
	// Interrupts belong to what runs in the shell, not to us.
	return runThere(context.WithoutCancel(ctx), host, command)
}

func logs(ctx context.Context, labName string, args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return fmt.Errorf("%w: logs takes the name of a host and perhaps a unit", errUsage)
	}
	host, err := running(labName, args[0])
	if err != nil {
		return err
	}
	text, err := host.Journal(ctx, append(args, "")[1])
	fmt.Print(text)
	return err
}

func list(_ context.Context, labName string, _ []string) error {
	lab, err := env.OpenLab(labName)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "testhost: no hosts: hack/testhost up biz makes one")
		return nil
	}
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tKIND\tADDRESS\tSTATE")
	fmt.Fprintf(table, "s3\tS3 server\t%s\t%s\n", lab.S3.Endpoint(), state(lab.S3.Running()))
	for _, host := range lab.Hosts() {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", host.Name, host.Kind, host.Addr, state(host.Running()))
	}
	return table.Flush()
}

func state(running bool) string {
	if running {
		return "running"
	}
	return "off"
}

func down(ctx context.Context, labName string, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%w: down takes the name of a host, or --all", errUsage)
	}
	lab, err := env.OpenLab(labName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if args[0] != "--all" {
		if lab == nil || lab.Host(args[0]) == nil {
			return nil // it is down, as asked
		}
		return lab.Host(args[0]).Down(ctx)
	}
	if lab != nil {
		if err := lab.Close(); err != nil {
			return err
		}
	}
	return env.Reap(ctx)
}
