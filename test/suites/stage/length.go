package stage

import (
	"os"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// Length is how long a long spec is to be: a few rounds for every commit, more of them where
// the variable says so. `make test-long` says so.
func Length(variable string, otherwise int) int {
	GinkgoHelper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	Expect(err).NotTo(HaveOccurred(), "%s has to be a number", variable)
	Expect(n).To(BeNumerically(">", 0), "%s has to be more than nothing", variable)
	return n
}
