package await

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/fleet"
	"deployer/controllers/tell"
)

// PrintFleet is the whole for people: services, hosts, and what is wrong with either.
func PrintFleet(w io.Writer, v fleet.View, store string) error {
	fmt.Fprintf(w, "generation %d of %s\n", v.Generation, store)
	if len(v.Services) == 0 {
		fmt.Fprintln(w, "no services: the manifest wants none, and no host reports any")
	} else {
		t := cli.NewTable(w, "service", "host", "state", "sync", "health", "wanted", "commit", "serving", "since", "reason")
		for _, r := range v.Services {
			t.AppendRow(table.Row{
				r.Service, r.Host, or(string(r.State), "-"), or(string(r.Sync), "-"), or(string(r.Health), "-"),
				or(r.Wanted.Revision, "-"), or(short(r.Wanted), "-"), or(r.Serving.Revision, "-"), since(r.Since, v.At), reason(r, reasonWidth),
			})
		}
		t.Render()
	}
	fmt.Fprintln(w)
	printHosts(w, v)
	for _, h := range v.Hosts {
		if h.Problem != "" {
			fmt.Fprintln(w, h.Problem)
		}
	}
	return nil
}

func printHosts(w io.Writer, v fleet.View) {
	if len(v.Hosts) == 0 {
		fmt.Fprintln(w, "no hosts: the manifest names none, and none has written a report")
		return
	}
	t := cli.NewTable(w, "host", "last report", "generation", "daemon", "")
	for _, h := range v.Hosts {
		said, note := "never", ""
		if !h.ReportedAt.IsZero() {
			said = tell.Ago(h.ReportedAt, v.At)
		}
		if h.Silent {
			note = "SILENT"
		}
		if !h.Named {
			note = strings.TrimSpace(note + " the manifest wants nothing there")
		}
		t.AppendRow(table.Row{h.Name, said, h.Generation, or(h.Daemon, "-"), note})
	}
	t.Render()
}

// reasonWidth is how much of a reason fits into a table.
const reasonWidth = 100

// reason is empty for what is as wanted. What is wrong with a host is told once, below.
func reason(r fleet.Row, widest int) string {
	if r.Outcome == fleet.AsWanted && r.State == v1.Settled {
		return ""
	}
	text := r.Reason
	if r.Message != "" && !r.Unheard {
		text += ": " + r.Message
	}
	return cut(text, widest)
}

// cut is text on one line that is not longer than that.
func cut(text string, widest int) string {
	text = harmless(strings.Join(strings.Fields(text), " "))
	if r := []rune(text); len(r) > widest {
		return string(r[:max(widest-1, 0)]) + "…"
	}
	return text
}

// harmless takes out what a terminal would obey: what a program on a host wrote is shown,
// and not run.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return '·'
		}
		return r
	}, text)
}

func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return tell.Span(max(now.Sub(t), 0))
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// printFailure is what a person needs to see of a release that failed: why, and its last
// words.
func printFailure(w io.Writer, r fleet.Row) {
	fmt.Fprintf(w, "\n%s on %s: %s: %s\n", r.Service, r.Host, r.Reason, harmless(r.Message))
	e := r.Evidence
	if e == nil {
		return
	}
	if e.ExitStatus != nil {
		fmt.Fprintf(w, "  last exit  status %d\n", *e.ExitStatus)
	}
	if e.Signal != "" {
		fmt.Fprintf(w, "  last exit  signal %s\n", e.Signal)
	}
	if e.ProbeURL != "" {
		fmt.Fprintf(w, "  probe      %s: %s\n", e.ProbeURL, harmless(e.ProbeAnswer))
	}
	if len(e.Log) > 0 {
		fmt.Fprintf(w, "  its last log lines on %s:\n", r.Host)
		for _, line := range e.Log {
			fmt.Fprintln(w, "    "+harmless(line))
		}
	}
}
