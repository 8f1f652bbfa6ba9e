package nix

import (
	"io"
	"os"
	"testing"
)

func TestNamelessFilesHaveNoName(t *testing.T) {
	for name, open := range map[string]func(dir string) (*os.File, error){
		"where the file system has them": func(string) (*os.File, error) { return nameless() },
		"where it has not":               unnamed,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			file, err := open(dir)
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
		})
	}
}
