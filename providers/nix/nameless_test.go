package nix

import (
	"io"
	"os"
	"testing"
)

func TestNamelessFilesHaveNoName(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	file, err := nameless()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("nar"); err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(io.NewSectionReader(file, 0, 10))
	if err != nil || string(content) != "nar" {
		t.Fatalf("read back %q, %v", content, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Fatalf("the directory has %v, %v", left, err)
	}
}
