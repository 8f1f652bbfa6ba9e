package secrets

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"deployer/test/env"
)

// TestLinesOnTestHost asks a real systemd whether it reads all of what badLine lets pass.
func TestLinesOnTestHost(t *testing.T) {
	if env.Inside() {
		t.Skip("this is the outer half")
	}
	env.Require(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	lab, err := env.NewLab(ctx, env.LabOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}()
	host, err := lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
	if err != nil {
		t.Fatal(err)
	}
	if err := env.RunInside(ctx, host, env.InsideOptions{Args: []string{"-test.run=^TestLinesInSystemd$", "-test.v"}}); err != nil {
		t.Fatal(err)
	}
}

func TestLinesInSystemd(t *testing.T) {
	if !env.Inside() {
		t.Skip("runs inside a test host, started by TestLinesOnTestHost")
	}
	random := rand.New(rand.NewPCG(32, 257))
	file := filepath.Join(t.TempDir(), "env")
	const wanted = 60
	for good := 0; good < wanted; {
		content := randomLines(random)
		want := assigned([]byte(content))
		if badLine([]byte(content)) != 0 || len(want) == 0 {
			continue
		}
		good++
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := read(file)
		if err != nil {
			t.Fatalf("%q: %v", content, err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: systemd reads %q, we thought %q", content, got, want)
		}
	}
}

// randomLines are a few lines that are often good.
func randomLines(random *rand.Rand) string {
	pieces := []string{
		"x", " ", "'", "\"", "\\", "\n", "\r\n", "#", ";", "=", "$", "'y z'", "\"y\nz\"", "\\\n", "\\\"", "\t", "é",
	}
	var out strings.Builder
	for n := range 1 + random.IntN(4) {
		fmt.Fprintf(&out, "T_%d%s=", n, []string{"", " ", "\t"}[random.IntN(3)])
		for range random.IntN(5) {
			out.WriteString(pieces[random.IntN(len(pieces))])
		}
		out.WriteString([]string{"\n", "\r\n", "\n\n", "\n# comment\n", "\n; it's\n"}[random.IntN(5)])
	}
	return out.String()
}

// assigned are the names that badLine sees, sorted.
func assigned(content []byte) []string {
	seen := map[string]bool{}
	w := walker{line: 1}
	for good := true; good && len(content) > 0; {
		naming := w.at == inName
		content, good = w.step(content)
		if good && naming && w.at == beforeValue {
			seen[strings.TrimRight(string(w.name), " \t")] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// read gives the names of ours that a process gets from the file, sorted.
func read(file string) ([]string, error) {
	out, err := exec.Command("systemd-run", "--quiet", "--wait", "--pipe", "-p", "EnvironmentFile="+file, "env", "-0").Output()
	var names []string
	for entry := range strings.SplitSeq(string(out), "\x00") {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "T_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, err
}
