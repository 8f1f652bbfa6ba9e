package v1

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxGeneration is the largest integer that every JSON reader keeps exactly.
const maxGeneration = 1<<53 - 1

// Validate lists everything that is wrong with the document, the rules between services
// included, in document order. It needs no defaults to have been filled in, and what a
// host alone can know (a unit name that is taken) is checked there.
func (m *Manifest) Validate() field.ErrorList {
	out := m.validateHead()
	all := field.NewPath("services")
	for i := range m.Services {
		if len(out) >= maxProblems {
			return out[:maxProblems]
		}
		out = append(out, m.Services[i].Validate(all.Index(i))...)
	}
	out = append(out, m.validateBetween(all)...)
	return append(out, m.validateRemoved(field.NewPath("removed"))...)
}

func (m *Manifest) validateHead() field.ErrorList {
	var out field.ErrorList
	if m.Version != Version {
		e := problem(field.NewPath("version"), "is %d; this program knows version %d only", m.Version, Version)
		if m.Version == 0 {
			e = missing(field.NewPath("version"), "write 1")
		}
		if m.Version > Version {
			e.Origin = originVersion
		}
		out = append(out, e)
	}
	if m.Lineage != "" && (len(m.Lineage) > 64 || !consistsOf(m.Lineage, "-_")) {
		out = append(out, problem(field.NewPath("lineage"), "%s is not the id that init gives", quote(m.Lineage)))
	}
	if m.Generation < 0 || m.Generation > maxGeneration {
		out = append(out, problem(field.NewPath("generation"), "%d is not between 0 and %d", m.Generation, maxGeneration))
	}
	if hash, ok := strings.CutPrefix(m.Previous, "sha256:"); m.Previous != "" && (!ok || len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "") {
		out = append(out, problem(field.NewPath("previous"), "%s is not sha256: and 64 hexadecimal digits", quote(m.Previous)))
	}
	out = append(out, checkYear(field.NewPath("expires"), m.Expires)...)
	if !m.UpdatedAt.IsZero() {
		out = append(out, checkYear(field.NewPath("updatedAt"), &m.UpdatedAt)...)
	}
	if m.Expires != nil && !m.UpdatedAt.IsZero() && !m.Expires.After(m.UpdatedAt) {
		out = append(out, problem(field.NewPath("expires"), "is not after updatedAt"))
	}
	out = append(out, checkText(field.NewPath("updatedBy"), m.UpdatedBy, 256)...)
	return append(out, checkText(field.NewPath("message"), m.Message, 4096)...)
}

// checkYear refuses times that come from a broken clock or a slip of the pen.
func checkYear(p *field.Path, t *time.Time) field.ErrorList {
	if t != nil && (t.UTC().Year() < 2000 || t.UTC().Year() > 9999) {
		return field.ErrorList{problem(p, "%s is not a sensible time", t.UTC().Format("2006-01-02"))}
	}
	return nil
}

// checkText is for texts that people read.
func checkText(p *field.Path, s string, most int) field.ErrorList {
	if bad := badText(s, most); bad != "" {
		return field.ErrorList{problem(p, "%s", bad)}
	}
	return nil
}

// check turns "what is wrong, or nothing" into errors that show the value.
func check(p *field.Path, value, bad string) field.ErrorList {
	if bad == "" {
		return nil
	}
	return field.ErrorList{problem(p, "%s: %s", quote(value), bad)}
}

func (m *Manifest) validateRemoved(p *field.Path) field.ErrorList {
	var out field.ErrorList
	listed := map[string]bool{}
	for _, s := range m.Services {
		listed[s.Name] = true
	}
	seen := map[string]bool{}
	for i, r := range m.Removed {
		at := p.Index(i)
		out = append(out, checkName(at.Child("name"), r.Name)...)
		switch {
		case seen[r.Name]:
			out = append(out, problem(at.Child("name"), "%s is listed twice", quote(r.Name)))
		case listed[r.Name]:
			out = append(out, problem(at.Child("name"), "%s is also a service; take it out of one of the two lists", quote(r.Name)))
		}
		seen[r.Name] = true
		if r.Generation < 0 || r.Generation > m.Generation {
			out = append(out, problem(at.Child("generation"), "%d is not between 0 and the document's generation %d", r.Generation, m.Generation))
		}
		out = append(out, checkText(at.Child("by"), r.By, 256)...)
	}
	return out
}

func checkName(p *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{missing(p, nameRule)}
	}
	return check(p, name, badServiceName(name))
}

// oneOf is for fields with a fixed set of words; empty means left out.
func oneOf(p *field.Path, value string, words ...string) field.ErrorList {
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	hint := ""
	if near := nearest(value, words); near != "" {
		hint = "; did you mean " + near + "?"
	}
	return field.ErrorList{problem(p, "%s is none of %s%s", quote(value), strings.Join(words, ", "), hint)}
}

// between is for numbers; 0 means left out.
func between(p *field.Path, value, low, high int) field.ErrorList {
	if value == 0 || value >= low && value <= high {
		return nil
	}
	return field.ErrorList{problem(p, "%d is not between %d and %d", value, low, high)}
}

// spanBetween is for durations; 0 means left out.
func spanBetween(p *field.Path, value Duration, low, high time.Duration) field.ErrorList {
	if value == 0 || value >= Duration(low) && value <= Duration(high) {
		return nil
	}
	return field.ErrorList{problem(p, "%s", fmt.Sprintf("%s is not between %s and %s", value, Duration(low), Duration(high)))}
}
