package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"deployer/cmd/internal/cli"
	"deployer/controllers/push"
	"deployer/providers"
)

// display shows how far a push is: on a terminal one line that moves, elsewhere a line
// now and then, so that the log of a CI run stays short.
type display struct {
	// lines gets what stays; live is the terminal of the line that moves, nil elsewhere.
	lines io.Writer
	live  *os.File
	// every is how often a line comes where none moves.
	every time.Duration
	// verbose also keeps what the builder prints.
	verbose io.Writer

	mu    sync.Mutex
	began time.Time
	// what is done just now, since when; empty when nothing is. said is a builder's last line.
	what, said string
	upload     providers.PublishProgress
	rate       rate
	drawn      bool
	// told is when the last line came.
	told time.Time
	stop chan struct{}
	done sync.WaitGroup
}

const redraw = 100 * time.Millisecond

// newDisplay shows on stderr what moves, and on lines what stays.
func newDisplay(lines io.Writer) *display {
	d := &display{lines: lines, every: 15 * time.Second}
	if cli.IsTerminal(os.Stderr) && os.Getenv("TERM") != "dumb" {
		d.live = os.Stderr
	}
	return d
}

// start begins to draw; end takes the moving line away. Safe to call end twice.
func (d *display) start() {
	stop := make(chan struct{})
	d.stop = stop
	tick := time.NewTicker(redraw)
	d.done.Go(func() {
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case now := <-tick.C:
				d.tick(now)
			}
		}
	})
}

func (d *display) end() {
	d.mu.Lock()
	stop := d.stop
	d.stop = nil
	d.mu.Unlock()
	if stop == nil {
		return
	}
	close(stop)
	d.done.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear()
}

// line is something that stays.
func (d *display) line(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear()
	fmt.Fprintln(d.lines, text)
}

// busy says what is done just now, as in "building web".
func (d *display) busy(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.what, d.said, d.began = what, "", time.Now()
	d.told = d.began
}

// builder takes a line that the builder printed.
func (d *display) builder(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said = line
	if d.verbose != nil {
		d.clear()
		fmt.Fprintln(d.verbose, line)
	}
}

// uploading takes how far the upload is.
func (d *display) uploading(p providers.PublishProgress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.upload.Paths == 0 {
		d.told = time.Now()
	}
	d.what, d.upload = "", p
	if p.PathsDone == p.Paths {
		d.what, d.said, d.began = "reading back", "", time.Now()
		d.upload.Paths = 0
	}
}

func (d *display) tick(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.upload.Paths > 0 {
		d.rate.add(now, d.upload)
	}
	switch {
	case d.live != nil:
		d.draw(now)
	case now.Sub(d.told) >= d.every:
		if text := d.text(now); text != "" {
			d.told = now
			fmt.Fprintln(d.lines, text)
		}
	}
}

// draw replaces the line that moves.
func (d *display) draw(now time.Time) {
	text := d.text(now)
	if text == "" {
		d.clear()
		return
	}
	if width, _, err := term.GetSize(int(d.live.Fd())); err == nil && width > 0 {
		text = cut(text, width-1)
	}
	fmt.Fprint(d.live, "\r\x1b[K"+text)
	d.drawn = true
}

func (d *display) clear() {
	if d.drawn {
		fmt.Fprint(d.live, "\r\x1b[K")
		d.drawn = false
	}
}

// text is the line for now; empty when there is nothing to tell.
func (d *display) text(now time.Time) string {
	switch {
	case d.what != "":
		text := fmt.Sprintf("%s  %s", d.what, max(0, now.Sub(d.began)).Round(time.Second))
		if said := printable(d.said); said != "" && d.live != nil {
			text += "  " + said
		}
		return text
	case d.upload.Paths > 0 && d.live != nil:
		return bar(d.upload) + " " + uploadText(d.upload, d.rate)
	case d.upload.Paths > 0:
		return uploadText(d.upload, d.rate)
	}
	return ""
}

// share is what of an upload is done, from 0 to 1.
func share(p providers.PublishProgress) float64 {
	if p.Size <= 0 {
		return 1
	}
	return min(float64(p.SizeDone)/float64(p.Size), 1)
}

func bar(p providers.PublishProgress) string {
	const width = 24
	full := int(share(p) * width)
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "]"
}

// uploadText is one line: paths, bytes, rate and what is left.
func uploadText(p providers.PublishProgress, r rate) string {
	text := fmt.Sprintf("%3.0f%%  %d of %d paths, %s sent", 100*share(p), p.PathsDone, p.Paths, push.Bytes(p.Sent))
	sent, done := r.perSecond()
	if sent > 0 {
		text += fmt.Sprintf(", %s/s", push.Bytes(int64(sent)))
	}
	if left := p.Size - p.SizeDone; done > 0 && left > 0 {
		text += fmt.Sprintf(", %s left", (time.Duration(float64(left)/done) * time.Second).Round(time.Second))
	}
	return text
}

// printable keeps what a builder prints from moving the cursor: escape sequences and
// control characters are left out.
func printable(line string) string {
	var out strings.Builder
	escape := false
	for _, c := range line {
		switch {
		case c == '\x1b':
			escape = true
		case escape:
			escape = c == '[' || c == ';' || c >= '0' && c <= '9' || c == '?'
		case c == '\t':
			out.WriteByte(' ')
		case c >= ' ' && c != 0x7f:
			out.WriteRune(c)
		}
	}
	return out.String()
}

func cut(text string, width int) string {
	runes := []rune(text)
	if width < 1 || len(runes) <= width {
		return text
	}
	return string(runes[:width-1]) + "…"
}
