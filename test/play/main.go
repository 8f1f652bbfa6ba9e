// Play leaves a laptop and a host running, with a key, a manifest and two releases built,
// and says what to try. `make host` runs it; `make clean` takes everything down.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"deployer/test/closure"
	"deployer/test/env"
)

// lab is the one that hack/testhost means when it is given no other.
const lab = "main"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "host:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if err := env.Ready(); err != nil {
		return fmt.Errorf("a test host cannot run here: %w", err)
	}
	l, err := env.NewLab(ctx, env.LabOptions{Name: lab, Detached: true})
	if err != nil {
		return err
	}
	say("booting the laptop")
	laptop, err := l.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
	if err != nil {
		return err
	}
	key, err := publicKey(ctx, laptop)
	if err != nil {
		return err
	}
	say("booting the host biz")
	biz, err := l.Up(ctx, "biz", env.HostOptions{TrustedPublicKeys: []string{key}})
	if err != nil {
		return err
	}
	if _, _, err := laptop.Exec(ctx, "deploy-manifest", "show"); err != nil {
		if _, _, err := laptop.Exec(ctx, "deploy-manifest", "init"); err != nil {
			return err
		}
	}
	releases := map[string]string{}
	for _, name := range []string{"one", "two"} {
		say("building release " + name)
		if releases[name], err = closure.Build(ctx, laptop, closure.Spec{Name: "web", Release: name}); err != nil {
			return err
		}
	}
	fmt.Printf(whatToTry, biz.Addr, releases["one"], releases["two"])
	return nil
}

// publicKey makes the laptop's signing key the first time.
func publicKey(ctx context.Context, laptop *env.Host) (string, error) {
	const file = "/root/.config/deployer/play-1.public"
	key, err := laptop.Read(ctx, file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, _, err := laptop.Exec(ctx, "deploy-manifest", "keygen", "play-1"); err != nil {
			return "", err
		}
		key, err = laptop.Read(ctx, file)
	}
	return strings.TrimSpace(string(key)), err
}

func say(what string) { fmt.Println("host:", what) }

const whatToTry = `
Two machines run now: laptop (you, with Nix and a signing key) and biz (%[1]s).
The store between them is a real S3. Try:

  hack/testhost shell laptop
    deploy-manifest add-service '{"name":"web","hosts":["biz"],"env":{"PORT":"8080"},
        "http":{"domain":"web.example.com","internalPort":8080}}'
    deploy-push web %[2]s
    deploy-push web %[3]s
    deploy-manifest list
    deploy-manifest rollback "$(deploy-manifest list | head -1)"

  hack/testhost shell biz
    deployerctl status --watch
    deployerctl plan
    deployerctl doctor            # a test host has no clock of its own to synchronise
    systemctl stop web            # and see it come back within a minute

  curl -k --resolve web.example.com:443:%[1]s https://web.example.com/

  hack/testhost ls                # what runs; hack/testhost down --all takes it down
`
