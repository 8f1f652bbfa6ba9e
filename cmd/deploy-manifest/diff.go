package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
)

// current names the manifest in force.
const current = "current"

type diffOptions struct {
	format   cli.Format
	exitCode bool
}

func (a *app) diffCommand() *cobra.Command {
	var o diffOptions
	c := &cobra.Command{
		Use:   "diff [A] [B]",
		Short: "Say what differs between two versions",
		Long: `diff compares two versions, field by field. A and B are archived versions as list names
them, "current" for the manifest in force, or files. B left out is "current"; A left out is
the newest archived version, so that diff alone shows the last change.`,
		Example: `  deploy-manifest diff
  deploy-manifest diff manifest-20261215T120000Z.json
  deploy-manifest diff current manifest.yaml --exit-code`,
		Args: cobra.MaximumNArgs(2), ValidArgsFunction: a.completeVersions,
		RunE: func(c *cobra.Command, args []string) error { return a.diff(c, args, o) },
	}
	cli.FormatFlag(c, &o.format, cli.Table)
	c.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 5 when there are differences")
	return c
}

func (a *app) diff(c *cobra.Command, args []string, o diffOptions) error {
	names := []string{"", current}
	copy(names, args)
	if names[0] == "" {
		newest, err := a.newest(c)
		if err != nil {
			return err
		}
		names[0] = newest
	}
	versions := make([]*v1.Manifest, len(names))
	for i, name := range names {
		var err error
		if versions[i], err = a.open(c, name); err != nil {
			return err
		}
	}
	changes := v1.Diff(versions[0], versions[1])
	err := cli.Print(c.OutOrStdout(), o.format, append([]v1.Change{}, changes...), func(w io.Writer) error {
		fmt.Fprintf(w, "%s → %s\n", title(names[0], versions[0]), title(names[1], versions[1]))
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

func title(name string, m *v1.Manifest) string {
	if m.Generation == 0 {
		return name
	}
	return fmt.Sprintf("%s (generation %d)", name, m.Generation)
}

// newest is the last archived version.
func (a *app) newest(c *cobra.Command) (string, error) {
	r, err := a.repository(c)
	if err != nil {
		return "", err
	}
	names, err := r.Archives(c.Context())
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fmt.Errorf("nothing is archived in %s yet: the first change of the manifest archives the version before it", r.StoreName())
	}
	return names[0], nil
}

// open reads the manifest in force, an archived one, or a file.
func (a *app) open(c *cobra.Command, name string) (*v1.Manifest, error) {
	if name != current && !manifest.IsArchive(archiveName(name)) || isFile(name) {
		m, _, err := readFile(c, name)
		return m, err
	}
	r, err := a.repository(c)
	if err != nil {
		return nil, err
	}
	if name == current {
		name = ""
	}
	return version(c, r, name)
}

// isFile: a path, for a name without a slash is looked for in the store first.
func isFile(name string) bool {
	if !strings.ContainsRune(name, '/') {
		return false
	}
	_, err := os.Stat(name)
	return err == nil
}

func (a *app) completeVersions(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := a.completeArchives(c, args, word)
	return append([]string{current}, names...), cobra.ShellCompDirectiveDefault | cobra.ShellCompDirectiveKeepOrder
}
