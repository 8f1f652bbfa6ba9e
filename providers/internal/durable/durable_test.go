package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"deployer/providers/internal/durable"
	"deployer/test/env"
)

func open(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, dir
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Fatalf("the directory holds %q, want %q", got, names)
	}
}

func TestWriteFileReplacesWholeWithTheExactMode(t *testing.T) {
	root, dir := open(t)
	defer syscall.Umask(syscall.Umask(0o077))
	check(t, durable.WriteFile(root, "a", []byte("long before"), 0o600))
	check(t, durable.WriteFile(root, "a", []byte("after"), 0o644))
	got, err := os.ReadFile(filepath.Join(dir, "a"))
	check(t, err)
	info, err := os.Stat(filepath.Join(dir, "a"))
	check(t, err)
	if string(got) != "after" || info.Mode() != 0o644 {
		t.Fatalf("%q with mode %v", got, info.Mode())
	}
	only(t, dir, "a")
}

func TestWriteFileTakesOverWhatACrashLeft(t *testing.T) {
	root, dir := open(t)
	victim := filepath.Join(dir, "victim")
	check(t, os.WriteFile(victim, []byte("intact"), 0o644))
	check(t, os.Symlink("victim", filepath.Join(dir, durable.Temp("a"))))
	check(t, os.MkdirAll(filepath.Join(dir, "a", "full"), 0o755))
	check(t, durable.WriteFile(root, "a", []byte("new"), 0o600))
	got, err := os.ReadFile(victim)
	check(t, err)
	if string(got) != "intact" {
		t.Fatalf("wrote through a link: %q", got)
	}
	only(t, dir, "a", "victim")
}

func TestAFullDiskLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		env.Lacks(t, "root, to mount a small file system: %v", err)
	}
	defer func() { check(t, syscall.Unmount(dir, 0)) }()
	root, err := os.OpenRoot(dir)
	check(t, err)
	check(t, durable.WriteFile(root, "a", []byte("old"), 0o644))
	if err := durable.WriteFile(root, "a", make([]byte, 1<<20), 0o644); err == nil {
		t.Fatal("wrote 1 MiB into 64 KiB")
	}
	got, err := os.ReadFile(filepath.Join(dir, "a"))
	check(t, err)
	if string(got) != "old" {
		t.Fatalf("the old file holds %q", got)
	}
	only(t, dir, "a")
	check(t, root.Close())
}

func TestCreateLosesAgainstAnExistingFile(t *testing.T) {
	root, dir := open(t)
	check(t, durable.Create(root, "key", []byte("first"), 0o600))
	if err := durable.Create(root, "key", []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("second create: %v", err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "key"))
	check(t, err)
	if string(got) != "first" {
		t.Fatalf("the file holds %q", got)
	}
	only(t, dir, "key")
}

func TestSymlinkReplacesALinkAFileAndADirectory(t *testing.T) {
	root, dir := open(t)
	check(t, os.MkdirAll(filepath.Join(dir, "p", "x"), 0o755))
	for _, target := range []string{"one", "two"} {
		check(t, durable.Symlink(root, target, "p"))
		if got, err := os.Readlink(filepath.Join(dir, "p")); err != nil || got != target {
			t.Fatalf("%q, %v", got, err)
		}
	}
	only(t, dir, "p")
}

func TestNothingLeavesTheDirectory(t *testing.T) {
	root, dir := open(t)
	check(t, os.Symlink(t.TempDir(), filepath.Join(dir, "out")))
	for _, name := range []string{"../a", "out/a"} {
		if err := durable.WriteFile(root, name, []byte("x"), 0o600); err == nil {
			t.Fatalf("wrote %s", name)
		}
	}
}
