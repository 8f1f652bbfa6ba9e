package builder

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Flake builds a flake installable, such as .#web, in a directory.
func Flake(installable, dir string) Request {
	return Request{
		What: installable, Dir: dir, Read: oneOutput,
		// --json, because --print-out-paths is newer than the oldest Nix that we take.
		Command: []string{"nix", "--extra-experimental-features", "nix-command flakes", "build", "--no-link", "--json", "--", installable},
	}
}

// File builds an attribute of a Nix file; without an attribute, the file itself.
func File(file, attribute, dir string) Request {
	r := Request{What: file, Command: []string{"nix-build", "--no-out-link", file}, Dir: dir, Read: onlyPath}
	if attribute != "" {
		r.What += " -A " + attribute
		r.Command = append(r.Command, "-A", attribute)
	}
	return r
}

// Placeholder stands for the target in the command of a project's own builder.
const Placeholder = "{target}"

// Target builds a target with a project's own command.
func Target(command []string, target, dir string) Request {
	r := Request{What: target, Dir: dir, Read: lastPath}
	for _, word := range command {
		r.Command = append(r.Command, strings.ReplaceAll(word, Placeholder, target))
	}
	return r
}

var storePath = regexp.MustCompile(`^/nix/store/[0-9a-z]{32}-[^/\s]+$`)

func paths(stdout []byte) (found []string) {
	for line := range strings.Lines(string(stdout)) {
		if line = strings.TrimSpace(line); storePath.MatchString(line) {
			found = append(found, line)
		}
	}
	return found
}

// lastPath is for builders that may print anything: the last line that is a store path and
// nothing else.
func lastPath(stdout []byte) (string, error) {
	found := paths(stdout)
	if len(found) == 0 {
		return "", errors.New("no line of its standard output is a store path, which is how the result is known")
	}
	return found[len(found)-1], nil
}

// onlyPath is for nix-build, which prints a line for each output.
func onlyPath(stdout []byte) (string, error) {
	found := paths(stdout)
	switch len(found) {
	case 0:
		return "", errors.New("it printed no store path")
	case 1:
		return found[0], nil
	}
	return "", tooMany(found)
}

func tooMany(found []string) error {
	return fmt.Errorf("it made %d store paths (%s); choose an attribute that makes one", len(found), strings.Join(found, ", "))
}

// oneOutput is for nix build --json: the output "out", or the only one.
func oneOutput(stdout []byte) (string, error) {
	var built []struct {
		Outputs map[string]string `json:"outputs"`
	}
	if err := json.Unmarshal(stdout, &built); err != nil {
		return "", fmt.Errorf("what it printed is not what `nix build --json` prints: %w", err)
	}
	var found []string
	for _, b := range built {
		if out := b.Outputs["out"]; out != "" {
			found = append(found, out)
			continue
		}
		for _, path := range b.Outputs {
			found = append(found, path)
		}
	}
	switch len(found) {
	case 0:
		return "", errors.New("it made nothing")
	case 1:
		return found[0], nil
	}
	return "", tooMany(found)
}
