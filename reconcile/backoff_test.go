package reconcile_test

import (
	"math"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/reconcile"
)

var _ = DescribeTable("Backoff.Delay", func(b reconcile.Backoff, n int, random float64, want time.Duration) {
	Expect(b.Delay(n, random)).To(Equal(want))
},
	Entry("starts at Base", reconcile.DefaultBackoff(), 1, 0.5, time.Second),
	Entry("doubles", reconcile.DefaultBackoff(), 5, 0.5, 16*time.Second),
	Entry("ends at Max", reconcile.DefaultBackoff(), 10, 0.5, 5*time.Minute),
	Entry("never overflows", reconcile.DefaultBackoff(), math.MaxInt, 0.5, 5*time.Minute),
	Entry("is 20 % shorter at least", reconcile.DefaultBackoff(), 1, 0.0, 800*time.Millisecond),
	Entry("is 20 % longer at most", reconcile.DefaultBackoff(), 10, 1.0, 6*time.Minute),
	Entry("has no jitter unless told", reconcile.Backoff{Base: time.Second, Max: time.Minute}, 2, 0.9, 2*time.Second),
	Entry("never exceeds Max, even with a larger Base", reconcile.Backoff{Base: time.Hour, Max: time.Minute}, 1, 0.5, time.Minute),
)
