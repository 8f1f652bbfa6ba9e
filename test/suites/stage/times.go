package stage

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// slack is how many times a promise may be missed before a suite fails: machines that run
// tests are busy, and the promise itself is held by a benchmark.
const slack = 10

// Within does something, prints how long it took, and expects that to be no more than ten
// times the promise.
func Within(promise time.Duration, title string, do func()) {
	GinkgoHelper()
	began := time.Now()
	do()
	Took(promise, title, time.Since(began))
}

// Took is Within for a time that was taken elsewhere, on a host itself for example.
func Took(promise time.Duration, title string, took time.Duration) {
	GinkgoHelper()
	AddReportEntry("time: "+title, took.Round(time.Millisecond).String()+" (promised: "+promise.String()+")", ReportEntryVisibilityFailureOrVerbose)
	Expect(took).To(BeNumerically("<=", slack*promise), "%s took too long; the promise is %s", title, promise)
}
