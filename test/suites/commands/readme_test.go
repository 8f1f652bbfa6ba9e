package commands_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/gomega"

	"deployer/test/env"
)

// ours begins a command that the README shows: one of the four programs with an argument, or
// systemd's own tools.
var ours = regexp.MustCompile(`^(sudo )?(deploy-manifest|deploy-push|deployerctl|biz-deployer|systemctl|journalctl) \S`)

func readme() string {
	root, err := env.RepoRoot()
	Expect(err).NotTo(HaveOccurred())
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// block is the content of the first fenced block of that kind which contains a word.
func block(kind, word string) string {
	for _, found := range regexp.MustCompile("(?ms)^```"+kind+"\n(.*?)^```").FindAllStringSubmatch(readme(), -1) {
		if strings.Contains(found[1], word) {
			return found[1]
		}
	}
	return ""
}

var (
	fence   = regexp.MustCompile("(?ms)^```[a-z ]*\n.*?^```$")
	inline  = regexp.MustCompile("`([^`]+)`")
	comment = regexp.MustCompile(`\s+# .*$`)
)

// readmeCommands are all commands in it, in blocks and in running text, each once.
func readmeCommands() []string {
	text := readme()
	var all []string
	add := func(command string) {
		command = comment.ReplaceAllString(strings.TrimSpace(command), "")
		if ours.MatchString(command) && !slices.Contains(all, command) {
			all = append(all, command)
		}
	}
	for _, found := range regexp.MustCompile("(?ms)^```bash\n(.*?)^```").FindAllStringSubmatch(text, -1) {
		open := ""
		for line := range strings.Lines(found[1]) {
			// A quote goes on over lines until it is closed.
			if open += line; strings.Count(open, "'")%2 == 0 {
				add(open)
				open = ""
			}
		}
	}
	for _, found := range inline.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		add(strings.Join(strings.Fields(found[1]), " "))
	}
	return all
}
