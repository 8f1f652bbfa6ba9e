package main

import (
	"context"
	"os/exec"
	"strings"
	"time"
)

// commitOf is the revision that is checked out in a directory, with -dirty behind it when
// files that git knows were changed since; empty where there is no repository, no commit or
// no git. It is for people, so nothing fails for want of it.
func commitOf(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	head, err := git("rev-parse", "--verify", "HEAD")
	if err != nil {
		return ""
	}
	changed, err := git("status", "--porcelain", "--untracked-files=no")
	if err == nil && changed != "" {
		head += "-dirty"
	}
	return head
}
