// Package docscheck parses every example that people are shown: the fenced blocks of
// the documents and the files under config/samples. An example that the programs
// refuse is worse than none.
//
// A block says what it is by a second word after its language:
//
//	```json service
//	{"name":"web","hosts":["biz"]}
//	```
//
// Without one, JSON and YAML must still be well formed; other languages are not
// looked at. A sample says it by its name: web.service.json, manifest.yaml.
package docscheck

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Parsers gives the parser for each kind of example. The error says what is wrong
// with it.
type Parsers map[string]func(data []byte) error

// Problem is an example that does not parse, or that nobody can parse.
type Problem struct {
	// File and Line are where the example begins.
	File string
	Line int
	// Err says what is wrong with it.
	Err error
}

// String gives the problem as editors understand it.
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %v", p.File, p.Line, p.Err) }

// Documents checks the fenced blocks of every .md file of the tree. It also counts the
// blocks that it looked at, so that a caller can tell "all good" from "none found".
func Documents(tree fs.FS, parsers Parsers) (problems []Problem, looked int, err error) {
	err = walk(tree, ".", func(file string, data []byte) {
		if path.Ext(file) != ".md" {
			return
		}
		for _, b := range blocks(string(data)) {
			checked, err := b.parse(parsers)
			if checked {
				looked++
			}
			if err != nil {
				problems = append(problems, Problem{file, b.line, err})
			}
		}
	})
	return problems, looked, err
}

// Samples checks every file below dir, and counts them.
func Samples(tree fs.FS, dir string, parsers Parsers) (problems []Problem, looked int, err error) {
	err = walk(tree, dir, func(file string, data []byte) {
		looked++
		b := block{language: language(file), kind: kindOf(file, parsers), text: string(data)}
		if b.kind == "" {
			problems = append(problems, Problem{file, 1, fmt.Errorf("its name does not say what it is; call it …%s%s, with one of %s", ".<kind>", path.Ext(file), kinds(parsers))})
			return
		}
		if _, err := b.parse(parsers); err != nil {
			problems = append(problems, Problem{file, 1, err})
		}
	})
	return problems, looked, err
}

// block is one example.
type block struct {
	language, kind, text string
	line                 int
}

// blocks finds the fenced blocks of a Markdown text. A fence may be indented, as in a
// list; its block is then indented, too, which neither JSON nor YAML minds.
func blocks(text string) []block {
	var found []block
	var open *block
	var fence string
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case open == nil && strings.HasPrefix(trimmed, "```"):
			info := strings.TrimLeft(trimmed, "`")
			fence = trimmed[:len(trimmed)-len(info)]
			words := append(strings.Fields(info), "", "")
			open = &block{language: words[0], kind: words[1], line: i + 1}
		case open != nil && trimmed == fence:
			found = append(found, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return found
}

// parse reports whether the example is one that it looks at, and what is wrong with it.
func (b block) parse(parsers Parsers) (bool, error) {
	if b.language != "json" && b.language != "yaml" {
		return false, nil
	}
	if b.kind != "" {
		parser, known := parsers[b.kind]
		if !known {
			return true, fmt.Errorf("nothing parses a %s of kind %q; write one of %s, or leave the kind out", b.language, b.kind, kinds(parsers))
		}
		if err := parser([]byte(b.text)); err != nil {
			return true, fmt.Errorf("the %s does not parse: %w", b.kind, err)
		}
	}
	return true, b.wellFormed()
}

// wellFormed reports what is wrong with the text as JSON or YAML, for parsers take
// either.
func (b block) wellFormed() error {
	var value any
	if b.language == "json" {
		if err := json.Unmarshal([]byte(b.text), &value); err != nil {
			return fmt.Errorf("it is not JSON: %w", err)
		}
		return nil
	}
	if err := yaml.UnmarshalStrict([]byte(b.text), &value); err != nil {
		return fmt.Errorf("it is not YAML: %w", err)
	}
	return nil
}

// kindOf finds the kind in the name of a sample: the last part before the extension
// that is one.
func kindOf(file string, parsers Parsers) string {
	parts := strings.FieldsFunc(path.Base(file), func(r rune) bool { return r == '.' || r == '-' })
	for _, part := range slices.Backward(parts) {
		if parsers[part] != nil {
			return part
		}
	}
	return ""
}

func language(file string) string {
	ext := strings.TrimPrefix(path.Ext(file), ".")
	if ext == "yml" {
		return "yaml"
	}
	return ext
}

func kinds(parsers Parsers) string {
	var names []string
	for name := range parsers {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// walk gives every file below dir but those of hidden directories and of test data.
// A dir that does not exist has none.
func walk(tree fs.FS, dir string, visit func(file string, data []byte)) error {
	if _, err := fs.Stat(tree, dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fs.WalkDir(tree, dir, func(file string, entry fs.DirEntry, err error) error {
		name := path.Base(file)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (strings.HasPrefix(name, ".") || name == "testdata"):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		data, err := fs.ReadFile(tree, file)
		if err != nil {
			return err
		}
		visit(file, data)
		return nil
	})
}
