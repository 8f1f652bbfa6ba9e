package v1

import "strings"

// Nearest returns the known name that was probably meant, or "".
func Nearest(name string, known []string) string { return nearest(name, known) }

// nearest returns the known name that was probably meant, or "". Case, - and _ do not
// count; of the rest a third may be wrong.
func nearest(name string, known []string) string {
	const longest = 64
	if len(name) > longest {
		return ""
	}
	plain := plainName(name)
	best, bestDistance := "", max(len(plain)/3, 1)+1
	for _, k := range known {
		if d := distance(plain, plainName(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

func plainName(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(s), "-", ""), "_", "")
}

// distance is the number of single-character edits, swapped neighbours counting as one
// (optimal string alignment).
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
