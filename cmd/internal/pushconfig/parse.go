package pushconfig

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/providers/builder"
)

// Parse decodes strictly and names every problem by the path of its field.
func Parse(data []byte) (*Config, error) {
	raw, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, cli.Usagef("not valid YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var document any
	if err := json.Unmarshal(raw, &document); err != nil {
		return nil, cli.Usagef("not valid YAML: %w", err)
	}
	r := reader{}
	c := r.config(document)
	if len(r.problems) > 0 {
		return nil, v1.ErrorList(r.problems)
	}
	return c, nil
}

// reader collects problems.
type reader struct{ problems field.ErrorList }

func (r *reader) problem(p *field.Path, format string, args ...any) {
	e := &field.Error{Type: field.ErrorTypeInvalid, Detail: fmt.Sprintf(format, args...)}
	if p != nil {
		e.Field = p.String()
	}
	r.problems = append(r.problems, e)
}

func (r *reader) config(document any) *Config {
	c := &Config{Services: map[string]Recipe{}}
	object := r.object(document, nil, "build", "services")
	if build, found := object["build"]; found {
		c.Build = r.build(build, field.NewPath("build"))
	}
	at := field.NewPath("services")
	services := r.table(object["services"], at)
	for _, name := range slices.Sorted(maps.Keys(services)) {
		if !serviceName.MatchString(name) {
			r.problem(at.Child(name), "is not the name of a service; write it as the manifest has it")
			continue
		}
		c.Services[name] = r.recipe(services[name], at.Child(name), c)
	}
	if len(c.Services) == 0 && len(c.Build) == 0 && len(r.problems) == 0 {
		r.problem(nil, "it says neither build nor services; `deploy-push --help` shows how it is written")
	}
	return c
}

var serviceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// build is a list of words, or a text that is split as a shell would and run by none.
func (r *reader) build(value any, p *field.Path) []string {
	var words []string
	switch v := value.(type) {
	case string:
		split, err := v1.SplitWords(v)
		if err != nil {
			r.problem(p, "%v: %q", err, v)
			return nil
		}
		words = split
	case []any:
		for i, item := range v {
			words = append(words, r.text(item, p.Index(i)))
		}
	default:
		r.problem(p, `expected a command, such as ["bild", "%s"], got %s`, builder.Placeholder, kind(value))
		return nil
	}
	switch {
	case len(words) == 0 || words[0] == "":
		r.problem(p, `names no program; write it as in ["bild", "%s"]`, builder.Placeholder)
	case !slices.ContainsFunc(words[1:], func(w string) bool { return strings.Contains(w, builder.Placeholder) }):
		r.problem(p, `no argument has %[1]s, where the target goes; write it as in ["bild", "%[1]s"]`, builder.Placeholder)
	}
	return words
}

func (r *reader) recipe(value any, p *field.Path, c *Config) Recipe {
	object := r.object(value, p, "target", "flake", "file", "attribute")
	var out Recipe
	said := 0
	for _, f := range []struct {
		name string
		into *string
	}{{"target", &out.Target}, {"flake", &out.Flake}, {"file", &out.File}, {"attribute", &out.Attribute}} {
		if v, found := object[f.name]; found {
			if *f.into = r.text(v, p.Child(f.name)); f.name != "attribute" {
				said++
			}
		}
	}
	switch {
	case object == nil:
	case said != 1:
		r.problem(p, "says %d of target, flake and file; say one", said)
	case out.Attribute != "" && out.File == "":
		r.problem(p.Child("attribute"), "goes with file; of a flake it is the part after #")
	case out.Target != "" && len(c.Build) == 0:
		r.problem(p.Child("target"), `needs build, the command that builds targets; add build: ["bild", "%s"]`, builder.Placeholder)
	}
	return out
}

// object is a map with these keys only.
func (r *reader) object(value any, p *field.Path, known ...string) map[string]any {
	object := r.table(value, p)
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if slices.Contains(known, key) {
			continue
		}
		at, near := field.NewPath(key), ""
		if p != nil {
			at = p.Child(key)
		}
		if n := v1.Nearest(key, known); n != "" {
			near = "; did you mean " + n + "?"
		}
		r.problem(at, "unknown field%s; there are %s", near, strings.Join(known, ", "))
	}
	return object
}

func (r *reader) table(value any, p *field.Path) map[string]any {
	if value == nil {
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		r.problem(p, "expected fields with values, got %s", kind(value))
	}
	return object
}

func (r *reader) text(value any, p *field.Path) string {
	text, ok := value.(string)
	switch {
	case !ok:
		r.problem(p, "expected a text, got %s; put it in quotes", kind(value))
	case strings.TrimSpace(text) == "" || strings.ContainsAny(text, "\n\x00"):
		r.problem(p, "must be one line, and not empty")
	}
	return text
}

// kind names a value as people would.
func kind(value any) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case string:
		return fmt.Sprintf("the text %q", v)
	case []any:
		return "a list"
	case map[string]any:
		return "fields with values"
	}
	return fmt.Sprintf("%v", value)
}
