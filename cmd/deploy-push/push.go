package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/await"
	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/pushconfig"
	"deployer/controllers/manifest"
	"deployer/controllers/push"
	"deployer/providers"
	"deployer/providers/builder"
	"deployer/providers/nix"
	"deployer/providers/objectstore"
)

// run is the command. What needs neither store nor key is looked at first.
func (o options) run(c *cobra.Command, args []string) error {
	ctx := c.Context()
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the working directory: %w", err)
	}
	s, err := o.choose(dir, args)
	if err != nil {
		return err
	}
	if !o.saysCommit {
		if s.build != nil {
			dir = s.build.Dir
		}
		o.commit = commitOf(ctx, dir)
	}
	objects, location, err := cli.OpenStore(ctx, o.store)
	if err != nil {
		return err
	}
	d := o.display(c)
	defer d.end()
	r, p, err := o.openStore(objects, location, d)
	if err != nil {
		return err
	}
	j := &job{options: o, subject: s, out: c.OutOrStdout(), errOut: c.ErrOrStderr(), display: d, repository: r, publisher: p, objects: objects}
	if o.dryRun {
		return j.try(ctx)
	}
	if err := j.push(ctx); err != nil || o.format != cli.Table || !o.wait.Wanted(c.OutOrStdout()) {
		return err
	}
	return await.Wait(ctx, await.Options{
		Objects: objects, Repository: r, Service: s.service, Out: c.OutOrStdout(), Timeout: o.wait.Timeout(),
	})
}

// choose reads push.yaml only where it can matter: a broken one above must not be in the
// way of somebody who names a store path.
func (o options) choose(dir string, args []string) (s subject, err error) {
	c := chooser{dir: dir, as: o.as, attribute: o.attribute}
	if len(args) == 1 || !strings.HasPrefix(args[1], "/nix/store/") {
		if c.config, err = pushconfig.Find(dir); err != nil {
			return s, err
		}
	}
	return c.choose(args)
}

// display keeps standard output clean for data.
func (o options) display(c *cobra.Command) *display {
	lines := c.OutOrStdout()
	if o.format != cli.Table {
		lines = io.Discard
	}
	d := newDisplay(lines)
	if o.verbose {
		d.verbose = c.ErrOrStderr()
	}
	d.start()
	return d
}

// openStore gives both sides of the store: the manifest and the cache. Whether it honours
// conditional writes is asked once for both.
func (o options) openStore(objects providers.Objects, location objectstore.Location, d *display) (*manifest.Repository, *nix.Publisher, error) {
	keyFile, err := cli.SigningKey(o.key)
	if err != nil {
		return nil, nil, err
	}
	conditional := once(func(ctx context.Context) (bool, error) { return objectstore.ProbeConditional(ctx, objects) })
	publisher, err := nix.NewPublisher(nix.PublisherOptions{Objects: objects, KeyFile: keyFile, Conditional: conditional})
	if err != nil {
		return nil, nil, err
	}
	return manifest.NewRepository(manifest.Options{
		Objects: objects, StoreName: location.String(), Conditional: conditional,
		Warn: func(m string) { d.line("warning: " + m) },
	}), publisher, nil
}

// once remembers an answer; a question without one is asked again.
func once(ask func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	var mu sync.Mutex
	var answer *bool
	return func(ctx context.Context) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if answer != nil {
			return *answer, nil
		}
		honours, err := ask(ctx)
		if err == nil {
			answer = &honours
		}
		return honours, err
	}
}

// job is one push, or the trial of one.
type job struct {
	options
	subject
	out, errOut io.Writer
	display     *display
	repository  *manifest.Repository
	publisher   *nix.Publisher
	// objects are the store; careful announces the push to collections of its cache.
	objects providers.Objects
	careful *careful
}

func (j *job) pushOptions(u *updater) push.Options {
	o := push.Options{
		Service: j.service, StorePath: j.path, Publisher: j.publisher, Check: u.check, Update: u.update,
		Progress: j.display.line, Watch: j.display.uploading,
	}
	if j.subject.build != nil {
		o.Build = j.build
	}
	return o
}

func (j *job) push(ctx context.Context) error {
	j.careful = &careful{Publisher: j.publisher, objects: j.objects, service: j.service, line: j.display.line}
	defer j.careful.done(ctx)
	u := j.updater()
	j.display.busy(comparing)
	o := j.pushOptions(u)
	o.Publisher = j.careful
	d, err := push.Push(ctx, o)
	if err != nil {
		return j.interrupted(ctx, d, err)
	}
	j.display.end()
	result := u.result(d)
	return cli.Print(j.out, j.format, result, result.print)
}

// interrupted says of a push that somebody stopped what became of it; the errors below say
// only what was cancelled. Any other error is as it is.
func (j *job) interrupted(ctx context.Context, d push.Deployed, err error) error {
	var update *push.UpdateError
	switch {
	case ctx.Err() == nil || d.Generation != 0:
		return err
	case errors.As(err, &update):
		return fmt.Errorf("interrupted while writing the manifest: `deploy-manifest show %s` tells whether it names %s; "+
			"the closure is in the cache, and the same command may be run again", j.service, d.StorePath)
	}
	return errors.New("interrupted: the manifest is as it was, and what was sent stays; the same command sends the rest")
}

// comparing is what a push does before and after a build, until it knows what to send.
const comparing = "comparing with the store"

// build runs the builder, and shows the end of what it printed when it fails.
func (j *job) build(ctx context.Context) (string, error) {
	request := *j.subject.build
	request.Line = j.display.builder
	j.display.busy("building " + request.What)
	storePath, err := builder.Build(ctx, request)
	j.display.busy(comparing)
	var failed *builder.FailedError
	if errors.As(err, &failed) && !j.verbose {
		j.display.end()
		for _, line := range failed.Tail {
			fmt.Fprintln(j.errOut, "| "+line)
		}
	}
	if err != nil {
		return "", err
	}
	if err := nix.CheckPath(storePath); err != nil {
		return "", fmt.Errorf("building %s: %w", request.What, err)
	}
	return storePath, nil
}
