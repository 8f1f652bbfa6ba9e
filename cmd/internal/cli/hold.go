package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
)

// defaultHold is how long a hold is when nobody says: long enough to look at something,
// and over before it is forgotten.
const defaultHold = 2 * time.Hour

// HoldFlags are those of every command that pauses a service.
type HoldFlags struct {
	reason, until string
	span          string
	forever       bool
}

// Add adds them to a command.
func (f *HoldFlags) Add(c *cobra.Command) {
	c.Flags().StringVar(&f.reason, "reason", "", "why, for who meets the hold (required)")
	c.Flags().StringVar(&f.span, "for", "", "how long: 30m, 2h, 3d (2h when nothing is said)")
	c.Flags().StringVar(&f.until, "until", "", "until when: 18:30, '2026-12-24 18:30' (local time), or RFC 3339")
	c.Flags().BoolVar(&f.forever, "forever", false, "until somebody ends it")
	for _, flag := range []string{"reason", "for", "until"} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions)
	}
}

// Hold is what the flags say at that time, or what is wrong with them.
func (f *HoldFlags) Hold(owner string, now time.Time) (v1.Hold, error) {
	h := v1.Hold{Owner: owner, Reason: strings.TrimSpace(f.reason), Forever: f.forever}
	if h.Reason == "" {
		return h, Usagef("say why with --reason: whoever meets the hold will want to know")
	}
	said := 0
	for _, flag := range []bool{f.span != "", f.until != "", f.forever} {
		if flag {
			said++
		}
	}
	if said > 1 {
		return h, Usagef("say one of --for, --until and --forever")
	}
	if !f.forever {
		until, err := f.end(now)
		if err != nil {
			return h, err
		}
		until = until.UTC().Truncate(time.Second)
		h.Until = &until
	}
	if err := h.Check(); err != nil {
		return h, Usagef("the hold is not valid: %w", err)
	}
	return h, nil
}

// end is when the hold lapses.
func (f *HoldFlags) end(now time.Time) (time.Time, error) {
	if f.until != "" {
		return parseUntil(f.until, now)
	}
	if f.span == "" {
		return now.Add(defaultHold), nil
	}
	d, err := parseSpan(f.span)
	return now.Add(d), err
}

// parseSpan reads a duration, also in days.
func parseSpan(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * 24 * float64(time.Hour))
	}
	const longest = 10 * 365 * 24 * time.Hour
	switch {
	case err != nil:
		return 0, Usagef("--for: %q is not a span of time; write 30m, 2h or 3d", s)
	case d < time.Second || d > longest:
		return 0, Usagef("--for: %q is not between a second and ten years; --forever has no end", s)
	}
	return d, nil
}

// parseUntil reads a time of the day, the next one of it, a day with a time, both where the
// person is, or RFC 3339.
func parseUntil(s string, now time.Time) (time.Time, error) {
	local := now.Location()
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.ParseInLocation("2006-01-02 15:04", s, local)
	}
	if clock, notClock := time.ParseInLocation("15:04", s, local); notClock == nil {
		t, err = time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, local), nil
		if !t.After(now) {
			t = t.AddDate(0, 0, 1)
		}
	}
	switch {
	case err != nil:
		return t, Usagef("--until: %q is not a time; write 18:30, '2026-12-24 18:30' or %s", s, now.Add(defaultHold).Format(time.RFC3339))
	case !t.After(now):
		return t, Usagef("--until: %s is in the past; it is %s now", s, fmt.Sprint(now.Format("2006-01-02 15:04 MST")))
	}
	return t, nil
}
