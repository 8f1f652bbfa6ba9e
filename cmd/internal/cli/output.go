package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"
)

// Format is how data is printed.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// String makes Format a flag.
func (f *Format) String() string { return string(*f) }

// Type names the flag's kind in help.
func (*Format) Type() string { return "format" }

// Set accepts the three formats.
func (f *Format) Set(s string) error {
	switch Format(s) {
	case Table, JSON, YAML:
		*f = Format(s)
		return nil
	}
	return fmt.Errorf("%q is not a format; there are table, json and yaml", s)
}

// FormatFlag adds -o to a command.
func FormatFlag(c *cobra.Command, f *Format, def Format) {
	*f = def
	c.Flags().VarP(f, "output", "o", "print as table, json or yaml")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(
		[]string{string(Table), string(JSON), string(YAML)}, cobra.ShellCompDirectiveNoFileComp))
}

// Print writes data in the format; asTable writes it for people.
func Print(w io.Writer, f Format, data any, asTable func(io.Writer) error) error {
	switch f {
	case JSON:
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(data)
	case YAML:
		out, err := yaml.Marshal(data)
		if err != nil {
			return err
		}
		_, err = w.Write(out)
		return err
	}
	return asTable(w)
}

// NewTable is the one look of all tables: no borders, two blanks between columns.
func NewTable(w io.Writer, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	if len(header) > 0 {
		t.AppendHeader(header)
	}
	return t
}

// Colourful reports whether w is a terminal that wants colours (NO_COLOR is honoured).
func Colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// IsTerminal reports whether w is a terminal: progress is shown only there.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
