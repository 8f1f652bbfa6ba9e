package tell_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// update writes the golden files again: go test ./controllers/tell -update.
var update = flag.Bool("update", false, "write testdata/*.golden again")

func TestTell(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "tell")
}

// expectGolden compares a text with what somebody has read and found good.
func expectGolden(name, got string) {
	GinkgoHelper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		Expect(os.MkdirAll("testdata", 0o755)).To(Succeed())
		Expect(os.WriteFile(file, []byte(got), 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred(), "run `go test ./controllers/tell -update` to write it")
	Expect(got).To(Equal(string(want)), "%s differs: read it, then go test ./controllers/tell -update", file)
}
