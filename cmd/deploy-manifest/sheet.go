package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
)

// sheet is the text that edit shows: comments, and then YAML.
type sheet struct {
	// service is empty for the whole manifest.
	service    string
	store      string
	generation int64
}

// problemMark begins the lines that say what is wrong.
const problemMark = "#! "

// header says what the text is, and what happens with it.
func (s sheet) header() []string {
	what := "The manifest"
	last := "# A service that you delete here is taken down on its hosts. Comments are not stored."
	if s.service != "" {
		what, last = s.service+" of the manifest", "# Comments are not stored."
	}
	return []string{
		fmt.Sprintf("# %s in %s, generation %d.", what, s.store, s.generation),
		"# Save it and leave the editor, and it is checked and written as a new generation, which",
		"# hosts follow within seconds. Unchanged or emptied, it changes nothing.",
		last,
		"#",
	}
}

// body is what there is to edit. What each write adds (generation, who, when) is left out.
func (s sheet) body(m *v1.Manifest) (string, error) {
	var shown any = struct {
		Version  int          `json:"version"`
		Expires  *time.Time   `json:"expires,omitempty"`
		Services []v1.Service `json:"services"`
	}{m.Version, m.Expires, m.Services}
	if s.service != "" {
		found, err := manifest.Find(m, s.service)
		if err != nil {
			return "", err
		}
		shown = found
	}
	out, err := yaml.Marshal(shown)
	return string(out), err
}

// text is the whole of it. A problem that names a line names that of the text as it is
// shown with its problems.
func (s sheet) text(body string, problems error) string {
	head := s.header()
	if problems == nil {
		return strings.Join(head, "\n") + "\n" + body
	}
	with := func(err error) string {
		lines := []string{problemMark + "It was not written. Correct this and save it, or empty the file to give up:"}
		for line := range strings.Lines(err.Error()) {
			lines = append(lines, problemMark+strings.TrimRight(line, "\n"))
		}
		return strings.Join(append(lines, head...), "\n") + "\n" + body
	}
	shown := with(problems)
	if _, err := s.decode(shown); err != nil && strings.Count(err.Error(), "\n") == strings.Count(problems.Error(), "\n") {
		return with(err)
	}
	return shown
}

// strip takes away what text put before the body.
func (s sheet) strip(text string) string {
	head := s.header()
	var out []string
	for _, line := range strings.SplitAfter(text, "\n") {
		bare := strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, strings.TrimSpace(problemMark)) || slices.Contains(head, bare) {
			continue
		}
		out = append(out, line)
	}
	return strings.Join(out, "")
}

// isEmpty: nothing but comments and blanks.
func isEmpty(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line != "---" {
			return false
		}
	}
	return true
}

// parse gives the manifest that the text makes of base.
func (s sheet) parse(base *v1.Manifest, text string) (*v1.Manifest, error) {
	// With the header, so that lines are those that the person saw.
	read, err := s.decode(s.text(text, nil))
	if err != nil {
		return nil, err
	}
	mine := base.Clone()
	if s.service != "" {
		*mine.Service(s.service) = read.Services[0]
		return mine, nil
	}
	mine.Services, mine.Expires = read.Services, read.Expires
	mine.Removed = append(mine.Removed, read.Removed...)
	return mine, nil
}

func (s sheet) decode(text string) (*v1.Manifest, error) {
	if s.service == "" {
		return v1.DecodeManifest([]byte(text))
	}
	one, err := v1.DecodeService([]byte(text))
	switch {
	case err != nil:
		return nil, err
	case one.Name != s.service:
		return nil, fmt.Errorf("name: %q would be another service: leave %s; `deploy-manifest add-service` adds one, and then this one can be removed", one.Name, s.service)
	}
	return &v1.Manifest{Version: v1.Version, Services: []v1.Service{*one}}, nil
}
