package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
)

func (a *app) showCommand() *cobra.Command {
	var format cli.Format
	var at string
	c := &cobra.Command{
		Use:   "show [SERVICE]",
		Short: "Print the manifest, or one service of it",
		Long: `show prints the manifest in force as people wrote it: JSON unless -o says otherwise, and
without the defaults. --at prints another version instead: a generation, the name of an
archived version, or "previous".`,
		Example: `  deploy-manifest show
  deploy-manifest show web -o yaml
  deploy-manifest show -o table
  deploy-manifest show web --at 12
  deploy-manifest show --at manifest-20261215T120000Z.json`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			return a.show(c, args, cmp.Or(at, manifest.Current), format)
		},
	}
	cli.FormatFlag(c, &format, cli.JSON)
	c.Flags().StringVar(&at, "at", "", "the version to print: a generation, an archived version, or previous")
	_ = c.RegisterFlagCompletionFunc("at", a.completeVersion)
	return c
}

func (a *app) show(c *cobra.Command, args []string, at string, format cli.Format) error {
	r, err := a.repository(c)
	if err != nil {
		return err
	}
	v, err := version(c, r, at)
	if err != nil {
		return err
	}
	m := v.Manifest
	if len(args) == 0 {
		return cli.Print(c.OutOrStdout(), format, m, func(w io.Writer) error { return manifestTable(w, m) })
	}
	s, err := manifest.Find(m, args[0])
	if err != nil {
		return usage(err)
	}
	return cli.Print(c.OutOrStdout(), format, s, func(w io.Writer) error { return serviceTable(w, s) })
}

// version finds a version by any of its names.
func version(c *cobra.Command, r *manifest.Repository, name string) (*manifest.Version, error) {
	v, err := r.Version(c.Context(), archiveName(name))
	return v, usage(err)
}

func manifestTable(w io.Writer, m *v1.Manifest) error {
	fmt.Fprintf(w, "generation %d, %s\n", m.Generation, written(m))
	if len(m.Services) == 0 {
		fmt.Fprintln(w, "no services: `deploy-manifest add-service` adds one")
	} else {
		t := cli.NewTable(w, "service", "release", "hosts", "reached at", "strategy")
		for _, s := range m.Services {
			strategy, _ := s.StrategyReason()
			t.AppendRow([]any{s.Name, releaseOf(s), strings.Join(s.Hosts, ","), reachedAt(s), strategy})
		}
		t.Render()
	}
	for _, r := range m.Removed {
		fmt.Fprintf(w, "removed: %s (generation %d)\n", r.Name, r.Generation)
	}
	return nil
}

// serviceTable lists the fields that were written, as set takes them.
func serviceTable(w io.Writer, s *v1.Service) error {
	t := cli.NewTable(w, "field", "value")
	for _, line := range strings.Split(strings.TrimSpace(v1.FormatDiff(v1.DiffService(v1.Service{Name: s.Name}, *s))), "\n")[1:] {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "  + "), " (new process)")
		field, value, _ := strings.Cut(line, ": ")
		t.AppendRow([]any{field, value})
	}
	t.Render()
	return nil
}

// written says who wrote a version and when.
func written(m *v1.Manifest) string {
	out := "written"
	if !m.UpdatedAt.IsZero() {
		out += " " + m.UpdatedAt.UTC().Format("2006-01-02 15:04:05Z")
	}
	if m.UpdatedBy != "" {
		out += " by " + m.UpdatedBy
	}
	if out == "written" {
		return "nobody says by whom or when"
	}
	if m.Message != "" {
		out += ": " + m.Message
	}
	return out
}

// releaseOf is for a narrow column.
func releaseOf(s v1.Service) string {
	if !s.HasRelease() {
		return "none yet"
	}
	return manifest.ShortPath(s.Artifact.StorePath)
}

func reachedAt(s v1.Service) string {
	if s.HTTP == nil {
		return "-"
	}
	return s.HTTP.Domain + strings.TrimSuffix(s.HTTP.Path, "/")
}
