package await

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/term"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/fleet"
	"deployer/controllers/tell"
)

// screen shows how a wait goes: a table that is drawn again in its place on a terminal, and
// elsewhere a line for each change, so that the log of a CI run stays short.
type screen interface {
	show(v fleet.View)
	// line is something that stays.
	line(text string)
	// end leaves the last picture where it is.
	end(v fleet.View)
}

func newScreen(out io.Writer, began time.Time) screen {
	if f, ok := out.(*os.File); ok && cli.IsTerminal(out) && os.Getenv("TERM") != "dumb" {
		return &liveTable{out: f, began: began}
	}
	return &lines{out: out, began: began, told: map[string]string{}}
}

// progress is a row in a few words: what people wait for.
func progress(r fleet.Row) string {
	switch {
	case r.Outcome == fleet.Failed, r.Outcome == fleet.Unknown:
		return fmt.Sprintf("%s: %s", r.Reason, r.Message)
	case r.Outcome == fleet.Paused:
		return r.Message
	case r.Outcome == fleet.AsWanted && r.State == v1.Settled:
		return "settled"
	case r.Outcome == fleet.AsWanted:
		return string(r.State)
	case r.Live:
		return "live, " + strings.ToLower(r.Reason)
	case r.Reason == fleet.WaitsForCanary:
		return r.Message
	case r.Reason == "NotLookedAt":
		return "not seen yet"
	}
	return fmt.Sprintf("%s, %s", strings.ToLower(string(r.State)), strings.ToLower(r.Reason))
}

// lines tells each change once.
type lines struct {
	out   io.Writer
	began time.Time
	told  map[string]string
}

func (l *lines) show(v fleet.View) {
	for _, r := range v.Services {
		key, text := r.Service+" on "+r.Host, progress(r)
		// Why something waits may count seconds; that is no news.
		news := fmt.Sprint(r.Outcome, r.Live, r.State, r.Reason)
		if l.told[key] == news {
			continue
		}
		l.told[key] = news
		fmt.Fprintf(l.out, "%s: %s (%s)\n", key, harmless(text), tell.Span(v.At.Sub(l.began)))
	}
}

func (l *lines) line(text string) { fmt.Fprintln(l.out, text) }

func (l *lines) end(fleet.View) {}

// liveTable draws the table over the one before.
type liveTable struct {
	out   *os.File
	began time.Time
	drawn int
}

func (l *liveTable) show(v fleet.View) {
	l.clear()
	var b strings.Builder
	t := cli.NewTable(&b, "service", "host", "release", "for", "now")
	for _, r := range v.Services {
		t.AppendRow(table.Row{r.Service, r.Host, or(r.Wanted.Revision, "-"), since(r.Since, v.At), cut(progress(r), reasonWidth)})
	}
	t.Render()
	fmt.Fprintf(&b, "%s since the wait began\n", tell.Span(v.At.Sub(l.began)))
	width, height, err := term.GetSize(int(l.out.Fd()))
	if err != nil {
		width, height = 80, 24
	}
	l.draw(strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"), width, height)
}

// draw writes as many lines as fit, none of them longer than the screen is wide: what the
// terminal wraps or scrolls away could not be taken back.
func (l *liveTable) draw(rows []string, width, height int) {
	rows = rows[:min(len(rows), max(height-1, 1))]
	for _, row := range rows {
		if r := []rune(row); len(r) >= width {
			row = string(r[:max(width-1, 0)])
		}
		fmt.Fprintln(l.out, row)
	}
	l.drawn = len(rows)
}

func (l *liveTable) clear() {
	if l.drawn > 0 {
		fmt.Fprintf(l.out, "\033[%dA\033[J", l.drawn)
	}
	l.drawn = 0
}

func (l *liveTable) line(text string) {
	l.clear()
	fmt.Fprintln(l.out, text)
}

func (l *liveTable) end(v fleet.View) {
	if len(v.Services) > 0 {
		l.show(v)
	}
	l.drawn = 0
}
