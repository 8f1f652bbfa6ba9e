// Testhost makes and removes test hosts by hand: the same hosts that the suites use. See package
// env, and hack/testhost, which builds and runs this.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `Usage: hack/testhost COMMAND

Test hosts are real machines in all but the kernel: Debian 13 with systemd, Nix and Caddy, in a
network of their own with a real S3 server. It needs root, and what hack/setup installs.

  build                 build the root that all hosts share, if it is missing
  up NAME               boot a host and print shell lines to eval (progress is on stderr);
                        a host that runs is left as it is; "laptop" is the developer's side:
                        Nix and the commands, no daemon, S3 credentials that may write
  exec NAME -- CMD…     run a command as root on a host; its exit code is passed on
  shell NAME            open a shell on a host
  logs NAME [UNIT]      print a host's journal, or one unit's
  ls                    list the hosts of the lab
  down NAME             power a host off and remove it
  down --all            remove every host, the S3 server and the network of the lab, and what
                        crashed tests left

  --lab NAME            before the command: another lab than "main"

Examples:
  eval "$(hack/testhost up biz)"         a host; DEPLOYER_STORE and friends are set after it
  hack/testhost exec biz -- deployerctl status
  hack/testhost up laptop && hack/testhost shell laptop
  hack/testhost logs biz biz-deployer
  hack/testhost down --all

Exit codes: 0 done, 1 error, 2 usage; exec passes on the command's own.
`

// errUsage means that the command line makes no sense; its text says what was expected.
var errUsage = errors.New("usage")

// commandEnded is the exit code of a command on a host, which said itself what was wrong.
type commandEnded int

func (c commandEnded) Error() string { return fmt.Sprintf("the command ended with %d", int(c)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(exitCode(dispatch(ctx, os.Args[1:])))
}

func dispatch(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("testhost", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	lab := flags.String("lab", "main", "")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) || (err == nil && flags.Arg(0) == "help") {
		fmt.Print(usage)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	command := commands[flags.Arg(0)]
	if command == nil {
		return fmt.Errorf("%w: %q is no command", errUsage, flags.Arg(0))
	}
	rest := flags.Args()[1:]
	if len(rest) > 0 && (rest[0] == "--help" || rest[0] == "-h") {
		fmt.Print(usage)
		return nil
	}
	return command(ctx, *lab, rest)
}

// exitCode says an error in one sentence and turns it into the exit code that usage promises.
func exitCode(err error) int {
	var ended commandEnded
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return int(ended)
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "testhost: %s; see hack/testhost --help\n", strings.TrimPrefix(err.Error(), "usage: "))
		return 2
	default:
		fmt.Fprintf(os.Stderr, "testhost: %v\n", err)
		return 1
	}
}
