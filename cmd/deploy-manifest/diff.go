package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
)

type diffOptions struct {
	format   cli.Format
	exitCode bool
}

func (a *app) diffCommand() *cobra.Command {
	var o diffOptions
	c := &cobra.Command{
		Use:   "diff [A] [B]",
		Short: "Say what differs between two versions",
		Long: `diff compares two versions, field by field. A and B are generations, archived versions as
list names them, "current" for the manifest in force, "previous" for the one before it, or
files. B left out is "current"; A left out is "previous", so that diff alone shows the last
change.`,
		Example: `  deploy-manifest diff
  deploy-manifest diff 12
  deploy-manifest diff 12 15
  deploy-manifest diff manifest-20261215T120000Z.json previous
  deploy-manifest diff current manifest.yaml --exit-code`,
		Args: cobra.MaximumNArgs(2), ValidArgsFunction: a.completeSides,
		RunE: func(c *cobra.Command, args []string) error { return a.diff(c, args, o) },
	}
	cli.FormatFlag(c, &o.format, cli.Table)
	c.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 5 when there are differences")
	return c
}

func (a *app) diff(c *cobra.Command, args []string, o diffOptions) error {
	names := []string{manifest.Previous, manifest.Current}
	copy(names, args)
	r, err := a.repository(c)
	if err != nil {
		return err
	}
	sides := make([]side, len(names))
	for i, name := range names {
		if sides[i], err = open(c, r, name); err != nil {
			return err
		}
	}
	changes := v1.Diff(sides[0].manifest, sides[1].manifest)
	err = cli.Print(c.OutOrStdout(), o.format, append([]v1.Change{}, changes...), func(w io.Writer) error {
		fmt.Fprintf(w, "%s → %s\n", sides[0].title, sides[1].title)
		if len(changes) == 0 {
			fmt.Fprintln(w, "no differences")
		}
		_, err := io.WriteString(w, v1.FormatDiff(changes))
		return err
	})
	if err == nil && o.exitCode && len(changes) > 0 {
		return cli.Exit(cli.ExitDifferent, nil)
	}
	return err
}

// side is what is compared.
type side struct {
	title    string
	manifest *v1.Manifest
}

// open reads a version, or a file.
func open(c *cobra.Command, r *manifest.Repository, name string) (side, error) {
	if !isVersion(name) || isFile(name) {
		m, _, err := readFile(c, name)
		return side{title: name, manifest: m}, err
	}
	v, err := version(c, r, name)
	if err != nil {
		return side{}, err
	}
	out := side{title: cmp.Or(v.Archive, manifest.Current), manifest: v.Manifest}
	if v.Manifest.Generation > 0 {
		out.title += fmt.Sprintf(" (generation %d)", v.Manifest.Generation)
	}
	return out, nil
}

// isVersion: the name has the form of one.
func isVersion(name string) bool {
	return name == manifest.Current || name == manifest.Previous || manifest.IsGeneration(name) || manifest.IsArchive(archiveName(name))
}

// isFile: a path, for a name without a slash is looked for in the store first.
func isFile(name string) bool {
	if !strings.ContainsRune(name, '/') {
		return false
	}
	_, err := os.Stat(name)
	return err == nil
}
