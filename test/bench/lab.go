package main

import (
	"context"
	"fmt"
	"os"

	"deployer/test/closure"
	"deployer/test/env"
)

// hostOptions say what the inner half needs.
type hostOptions struct {
	// daemon runs biz-deployer and Caddy, and gives the inner half the store and its keys.
	daemon bool
}

// Variables that the inner half finds the store by.
const (
	storeVariable   = "BENCH_STORE"
	profileVariable = "AWS_SHARED_CREDENTIALS_FILE"
	writerFile      = "/root/bench-credentials"
	// journalVariable=1 prints the end of the host's journal: where the time went.
	journalVariable = "BENCH_JOURNAL"
)

// onHost boots a test host and runs the inner half of a benchmark there.
func onHost(ctx context.Context, name string, o hostOptions) (err error) {
	if err := env.Ready(); err != nil {
		return fmt.Errorf("a test host cannot run here: %w", err)
	}
	lab, err := env.NewLab(ctx, env.LabOptions{})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := lab.Close(); err == nil {
			err = closeErr
		}
	}()
	options := env.HostOptions{Enable: []string{}}
	if o.daemon {
		options = env.HostOptions{}
	}
	host, err := lab.Up(ctx, "biz", options)
	if err != nil {
		return err
	}
	inside := env.InsideOptions{Args: []string{name}}
	if o.daemon {
		inside.Env = []string{
			storeVariable + "=" + lab.S3.URL("s3", env.WriterProfile),
			profileVariable + "=" + writerFile,
		}
		keys := fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
			env.WriterProfile, env.Writer, lab.S3.Secret(env.Writer))
		if err := host.Write(ctx, writerFile, []byte(keys), 0o600); err != nil {
			return err
		}
		if err := closure.Install(ctx, host); err != nil {
			return err
		}
	}
	err = env.RunInside(ctx, host, inside)
	if o.daemon && (err != nil || os.Getenv(journalVariable) == "1") {
		if journal, journalErr := host.Journal(context.WithoutCancel(ctx), ""); journalErr == nil {
			fmt.Println(lastLines(journal, 120))
		}
	}
	return err
}
