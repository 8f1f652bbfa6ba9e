package rollout_test

import "strings"

// countLines counts the lines that have that text.
func countLines(all, text string) int {
	n := 0
	for line := range strings.Lines(all) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
