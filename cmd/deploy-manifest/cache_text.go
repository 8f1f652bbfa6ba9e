package main

import (
	"fmt"
	"io"
	"strings"

	"deployer/cmd/internal/cli"
	"deployer/controllers/cache"
)

// collectionText says what a collection did, or would do.
func collectionText(r cache.Report) func(io.Writer) error {
	return func(w io.Writer) error {
		fmt.Fprintf(w, "kept: %s, %s, for %s%s\n", count(r.KeptPaths, "path", "paths"), size(r.KeptBytes),
			count(r.Manifests, "version of the manifest", "versions of the manifest"), reported(r.Hosts))
		if len(r.Missing) > 0 {
			fmt.Fprintf(w, "needed, too, but not in the cache: %s\n", strings.Join(r.Missing, ", "))
		}
		verb := "deleted"
		if r.DryRun {
			verb = "would delete"
		}
		switch {
		case len(r.Deleted) > 0:
			fmt.Fprintf(w, "%s %s:\n", verb, sum(r.Deleted))
			goners(w, r.Deleted)
		case len(r.Waiting) == 0:
			fmt.Fprintln(w, "nothing to delete")
		}
		if len(r.Waiting) > 0 {
			fmt.Fprintf(w, "waiting: %s, which nothing needs at the moment; what nothing needs then goes with a gc after %s\n",
				sum(r.Waiting), r.NextAt.UTC().Format("2006-01-02 15:04Z"))
		}
		return nil
	}
}

func reported(hosts []string) string {
	switch len(hosts) {
	case 0:
		return "; no host reports"
	case 1:
		return " and the host " + hosts[0]
	}
	return " and the hosts " + strings.Join(hosts, ", ")
}

// goners lists paths with their contents. A content that no path among them has, as a push
// that was killed leaves it, has a line of its own.
func goners(w io.Writer, list []cache.Candidate) {
	contents := map[string]int64{}
	for _, g := range list {
		if g.StorePath == "" {
			contents[g.Key] = g.Bytes
		}
	}
	t := cli.NewTable(w, "path", "size", "needed by nothing since")
	row := func(name string, bytes int64, g cache.Candidate) {
		t.AppendRow([]any{name, size(bytes), g.Since.UTC().Format("2006-01-02 15:04Z")})
	}
	for _, g := range list {
		if g.StorePath != "" {
			row(g.StorePath, g.Bytes+contents[g.Content], g)
			delete(contents, g.Content) // another path may share it
		}
	}
	for _, g := range list {
		if bytes, own := contents[g.Key]; own {
			row(g.Key, bytes, g)
		}
	}
	t.Render()
}

// sum is "3 paths and 1 other object, 12.0 MiB".
func sum(list []cache.Candidate) string {
	paths, others := 0, map[string]bool{}
	var bytes int64
	for _, g := range list {
		bytes += g.Bytes
		if g.StorePath == "" {
			others[g.Key] = true
		}
	}
	for _, g := range list {
		if g.StorePath != "" {
			paths++
			delete(others, g.Content)
		}
	}
	out := count(paths, "path", "paths")
	if len(others) > 0 {
		out += " and " + count(len(others), "other object", "other objects")
	}
	return out + ", " + size(bytes)
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// size is for people.
func size(n int64) string {
	const unit = 1 << 10
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < 3 {
		value, prefix = value/unit, prefix+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGT"[prefix])
}
