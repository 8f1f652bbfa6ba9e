package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// samples are the measurements of one thing, in any unit.
type samples []float64

// quantile is the sample below which the share q of all lies.
func (s samples) quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func (s samples) median() float64 { return s.quantile(0.5) }

// add takes a duration, in milliseconds.
func (s *samples) add(d time.Duration) { *s = append(*s, float64(d)/float64(time.Millisecond)) }

// row is one line of a table.
type row struct {
	what    string
	samples samples
	// budget is the promise, in the table's unit; 0 where there is none.
	budget float64
	// note says what a reader must know to judge the figure.
	note string
}

// table compares its rows with one of them.
type table struct {
	unit string
	rows []row
	// baseline is the row that the ratios are of.
	baseline int
}

// show prints medians, the spread from the 10th to the 90th percentile, and how many times
// the row's median goes into the baseline's.
func (t table) show(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  \tmedian %s\tp10…p90\tn\tbaseline/this\tbudget\t\n", t.unit)
	base := t.rows[t.baseline].samples.median()
	for i, r := range t.rows {
		ratio := fmt.Sprintf("%.3g", base/r.samples.median())
		if i == t.baseline {
			ratio = "baseline"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s…%s\t%d\t%s\t%s\t%s\n", r.what, short(r.samples.median()),
			short(r.samples.quantile(0.1)), short(r.samples.quantile(0.9)), len(r.samples), ratio, r.verdict(), r.note)
	}
	w.Flush()
}

func (r row) verdict() string {
	switch {
	case r.budget == 0:
		return ""
	case r.samples.median() <= r.budget:
		return short(r.budget) + " kept"
	}
	return short(r.budget) + " MISSED"
}

// short is a figure with three digits that matter, and never an exponent.
func short(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
