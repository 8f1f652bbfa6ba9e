package load

import (
	"math"
	"slices"
	"time"
)

// Latencies counts durations by size, 2 % apart, so that a long run fits into memory and two
// runs can be added. The longest one is kept exactly.
type Latencies struct {
	Buckets map[int]int   `json:"buckets,omitempty"`
	Max     time.Duration `json:"max"`
}

const step = 1.02

// Add takes one in.
func (l *Latencies) Add(d time.Duration) {
	if l.Buckets == nil {
		l.Buckets = map[int]int{}
	}
	l.Buckets[bucket(d)]++
	l.Max = max(l.Max, d)
}

// bucket counts steps from a microsecond upward.
func bucket(d time.Duration) int {
	return int(math.Ceil(math.Log(max(1, float64(d)/float64(time.Microsecond))) / math.Log(step)))
}

// Plus adds two of them up.
func (l Latencies) Plus(other Latencies) Latencies {
	sum := Latencies{Buckets: map[int]int{}, Max: max(l.Max, other.Max)}
	for _, buckets := range []map[int]int{l.Buckets, other.Buckets} {
		for b, n := range buckets {
			sum.Buckets[b] += n
		}
	}
	return sum
}

// Quantile is the duration that the share q of all does not exceed, up to 2 % too long.
func (l Latencies) Quantile(q float64) time.Duration {
	var sizes []int
	total := 0
	for b, n := range l.Buckets {
		sizes, total = append(sizes, b), total+n
	}
	slices.Sort(sizes)
	wanted := int(math.Ceil(q * float64(total)))
	for _, b := range sizes {
		if wanted -= l.Buckets[b]; wanted <= 0 {
			return min(l.Max, time.Duration(math.Pow(step, float64(b))*float64(time.Microsecond)))
		}
	}
	return l.Max
}
