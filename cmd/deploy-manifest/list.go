package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
)

// archived is a line of list.
type archived struct {
	Name       string    `json:"name"`
	Generation int64     `json:"generation"`
	UpdatedAt  time.Time `json:"updatedAt,omitzero"`
	UpdatedBy  string    `json:"updatedBy,omitempty"`
	Message    string    `json:"message,omitempty"`
	Services   int       `json:"services"`
	// Problem is why it cannot be read.
	Problem string `json:"problem,omitempty"`
}

func (a *app) listCommand() *cobra.Command {
	var format cli.Format
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "List the archived versions, newest first",
		Long: `list prints the names of the archived versions, newest first and one a line, as show --at,
diff and rollback take them. With -o it also reads each one and says who wrote it and why.
The manifest in force is not among them.`,
		Example: `  deploy-manifest list
  deploy-manifest list -o table --limit 10
  deploy-manifest rollback "$(deploy-manifest list --limit 1)"`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.list(c, format, limit) },
	}
	cli.FormatFlag(c, &format, "")
	c.Flags().IntVarP(&limit, "limit", "n", 0, "print at most so many (0: all)")
	return c
}

func (a *app) list(c *cobra.Command, format cli.Format, limit int) error {
	if limit < 0 {
		return cli.Usagef("--limit %d is less than none", limit)
	}
	r, err := a.repository(c)
	if err != nil {
		return err
	}
	names, err := r.Archives(c.Context())
	if err != nil {
		return err
	}
	if limit > 0 && len(names) > limit {
		names = names[:limit]
	}
	out := c.OutOrStdout()
	if format == "" {
		for _, name := range names {
			fmt.Fprintln(out, name)
		}
		return nil
	}
	versions, err := r.Versions(c.Context(), names)
	if err != nil {
		return err
	}
	rows := make([]archived, len(versions))
	for i, v := range versions {
		rows[i] = rowOf(v)
	}
	return cli.Print(out, format, rows, func(w io.Writer) error { return archiveTable(w, rows) })
}

func rowOf(v manifest.Version) archived {
	if v.Err != nil {
		return archived{Name: v.Archive, Problem: v.Err.Error()}
	}
	m := v.Manifest
	return archived{
		Name: v.Archive, Generation: m.Generation, UpdatedAt: m.UpdatedAt, UpdatedBy: m.UpdatedBy,
		Message: m.Message, Services: len(m.Services),
	}
}

func archiveTable(w io.Writer, rows []archived) error {
	if len(rows) == 0 {
		fmt.Fprintln(w, "nothing is archived yet: the first change of the manifest archives the version before it")
		return nil
	}
	t := cli.NewTable(w, "name", "generation", "by", "services", "message")
	for _, row := range rows {
		if row.Problem != "" {
			t.AppendRow([]any{row.Name, "?", "", "", row.Problem})
			continue
		}
		t.AppendRow([]any{row.Name, row.Generation, row.UpdatedBy, row.Services, row.Message})
	}
	t.Render()
	return nil
}
