package hostconfig_test

import (
	"os"
	"testing"

	"deployer/cmd/internal/hostconfig"
	"deployer/cmd/internal/pushconfig"
	"deployer/hack/docscheck"
)

// TestExamplesParse reads every configuration that people are shown: blocks marked
// "yaml config" in documents, samples of that kind, and the file that a host starts
// with. What other blocks hold is checked in hack/docscheck.
func TestExamplesParse(t *testing.T) {
	tree := os.DirFS("../../..")
	others := func([]byte) error { return nil }
	parsers := docscheck.Parsers{
		"config":   func(data []byte) error { _, err := hostconfig.Parse(data); return err },
		"manifest": others,
		"push":     func(data []byte) error { _, err := pushconfig.Parse(data); return err },
		"service":  others,
	}
	documents, _, err := docscheck.Documents(tree, parsers)
	if err != nil {
		t.Fatal(err)
	}
	samples, _, err := docscheck.Samples(tree, "config/samples", parsers)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(documents, samples...) {
		t.Error(p)
	}
	if _, err := hostconfig.Load("../../../config/biz-deployer.yaml"); err != nil {
		t.Errorf("the configuration that a host starts with: %v", err)
	}
}
