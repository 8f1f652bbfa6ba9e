package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// problem is one import that is not allowed.
type problem struct {
	file, dir, imports, why string
	line                    int
}

// String gives the problem as editors understand it.
func (p problem) String() string {
	return fmt.Sprintf("%s:%d: package %s must not import %s: %s", p.file, p.line, p.dir, p.imports, p.why)
}

// check reads every Go file of the tree and gives the imports that rules do not
// allow. Directories of other modules, of test data and hidden ones are not ours.
func check(tree fs.FS, rules []rule) ([]problem, error) {
	var problems []problem
	err := fs.WalkDir(tree, ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped(tree, file):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(file) != ".go":
			return nil
		}
		found, err := checkFile(tree, file, rules)
		problems = append(problems, found...)
		return err
	})
	return problems, err
}

func skipped(tree fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	name := path.Base(dir)
	if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	return err == nil
}

func checkFile(tree fs.FS, file string, rules []rule) ([]problem, error) {
	source, err := fs.ReadFile(tree, file)
	if err != nil {
		return nil, err
	}
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, file, source, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("parsing: %w", err)
	}
	dir := path.Dir(file)
	rule, found := ruleOf(dir, rules)
	if !found {
		line := positions.Position(parsed.Package).Line
		return []problem{{file, dir, "anything", "it has no line in hack/importcheck/rules.go", line}}, nil
	}
	isTest := strings.HasSuffix(file, "_test.go")
	var problems []problem
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if isTest && anyMatches(inTests(), strings.TrimPrefix(imported, module)) {
			continue
		}
		if !rule.allows(imported) {
			problems = append(problems, problem{file, dir, imported, rule.reason(imported), positions.Position(spec.Pos()).Line})
		}
	}
	return problems, nil
}

func ruleOf(dir string, rules []rule) (rule, bool) {
	for _, r := range rules {
		if matches(r.dir, dir) {
			return r, true
		}
	}
	return rule{}, false
}

func (r rule) allows(imported string) bool {
	if isStandard(imported) {
		return true
	}
	name := strings.TrimPrefix(imported, module)
	if anyMatches(r.not, name) {
		return false
	}
	return matches(r.dir, name) || anyMatches(r.may, name)
}

// reason gives the rule that an import breaks: for zap always that of zap.
func (r rule) reason(imported string) string {
	if anyMatches([]string{zap, zapr}, imported) {
		return whyZap
	}
	return r.why
}

// isStandard reports whether an import path is of the standard library: those have no
// dot in their first word.
func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && !strings.HasPrefix(imported, module)
}

func anyMatches(patterns []string, name string) bool {
	for _, p := range patterns {
		if matches(p, name) {
			return true
		}
	}
	return false
}

// matches reports whether name is the pattern, or below it if it ends in "/...".
func matches(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	base, below := strings.CutSuffix(pattern, "/...")
	return name == base || below && strings.HasPrefix(name, base+"/")
}
