package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
)

// usualHistory is how many generations a person wants to see.
const usualHistory = 20

func (a *app) historyCommand() *cobra.Command {
	var format cli.Format
	var o manifest.HistoryOptions
	c := &cobra.Command{
		Use:   "history [SERVICE]",
		Short: "Say who changed what, when and why",
		Long: `history lists the generations of the manifest, newest first: when each was written, by
whom and why, and what it changed. With SERVICE it lists those that changed it, with the
release that it had from then on. The numbers are names for show --at, diff and rollback.`,
		Example: `  deploy-manifest history
  deploy-manifest history web
  deploy-manifest history -n 0                  # all of them
  deploy-manifest history web -n 1 -o json
  deploy-manifest diff 11 12                    # every field that generation 12 changed`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Service = args[0]
			}
			return a.history(c, o, format)
		},
	}
	cli.FormatFlag(c, &format, cli.Table)
	c.Flags().IntVarP(&o.Limit, "limit", "n", usualHistory, "print at most so many (0: all)")
	return c
}

func (a *app) history(c *cobra.Command, o manifest.HistoryOptions, format cli.Format) error {
	if o.Limit < 0 {
		return cli.Usagef("--limit %d is less than none", o.Limit)
	}
	r, err := a.repository(c)
	if err != nil {
		return err
	}
	limit := o.Limit
	if limit > 0 {
		o.Limit++ // one more tells whether there are more
	}
	entries, err := r.History(c.Context(), o)
	if err != nil {
		return err
	}
	if len(entries) == 0 && o.Service != "" {
		return cli.Usagef("no version of the manifest in %s had a service %s; `deploy-manifest history` shows what was changed", r.StoreName(), o.Service)
	}
	more := limit > 0 && len(entries) > limit
	if more {
		entries = entries[:limit]
	}
	return cli.Print(c.OutOrStdout(), format, entries, func(w io.Writer) error {
		historyTable(w, entries, o.Service)
		if more {
			fmt.Fprintln(w, "… and older ones: -n 0 shows all")
		}
		return nil
	})
}

func historyTable(w io.Writer, entries []manifest.Entry, service string) {
	header := []any{"generation", "when", "by", "changed", "message"}
	if service != "" {
		header[3] = "release"
		header = append(header[:4:4], "changed", "message")
	}
	t := cli.NewTable(w, header...)
	for _, e := range entries {
		if e.Problem != "" {
			t.AppendRow([]any{"?", "", "", e.Archive, e.Problem})
			continue
		}
		generation, when := fmt.Sprint(e.Generation), ""
		if e.InForce {
			generation += " (in force)"
		}
		if !e.At.IsZero() {
			when = e.At.UTC().Format("2006-01-02 15:04:05Z")
		}
		row := []any{generation, when, e.By, changedCell(e, service), e.Message}
		if service != "" {
			row = append(row[:3:3], releaseCell(e.Release), row[3], row[4])
		}
		t.AppendRow(row)
	}
	t.Render()
}

// changedCell has a line for each service.
func changedCell(e manifest.Entry, service string) string {
	if e.Unknown {
		return "not known: the version before is not archived"
	}
	var lines []string
	for _, c := range e.Changes {
		line := c.Summary
		if service == "" && c.Service != "" {
			line = c.Service + ": " + line
		}
		lines = append(lines, line)
	}
	switch {
	case e.Since > 0:
		lines = append(lines, fmt.Sprintf("(all since generation %d)", e.Since))
	case len(lines) == 0:
		return "-"
	}
	return strings.Join(lines, "\n")
}

func releaseCell(t *v1.Target) string {
	switch {
	case t == nil:
		return "-"
	case t.StorePath == "":
		return "none yet"
	}
	return manifest.ShortPath(t.StorePath)
}
