package manifest

import (
	"fmt"
	"strings"

	v1 "deployer/api/v1"
)

// messageOf is the message of a write for which nobody gave one: "update web to 3f2a9c1".
func messageOf(before, after *v1.Manifest) string {
	const most = 4
	changes := Summarise(before, after)
	var added, removed, parts []string
	for _, c := range changes {
		switch c.Kind {
		case v1.Added:
			added = append(added, c.Service)
		case v1.Removed:
			removed = append(removed, c.Service)
		default:
			parts = append(parts, c.sentence())
		}
	}
	if len(removed) > 0 {
		parts = append([]string{"remove " + few(removed, most)}, parts...)
	}
	if len(added) > 0 {
		parts = append([]string{"add " + few(added, most)}, parts...)
	}
	if len(parts) > most {
		parts = append(parts[:most:most], fmt.Sprintf("and %d more", len(parts)-most))
	}
	return cut(strings.Join(parts, "; "))
}

// cut keeps a message far below what a manifest takes, whatever fields are called.
func cut(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// sentence says what a person would have had to say to make the change.
func (s *ServiceChange) sentence() string {
	const most = 4
	var out string
	verb := "set"
	if !s.kept {
		verb = "clear"
	}
	switch {
	case s.Summary == unremoved:
		return "forget that " + s.Service + " was removed"
	case s.Service == "":
		return verb + " " + few(s.Fields, most)
	case s.release == "":
		return verb + " " + s.Service + " " + few(s.Fields, most)
	case s.release == noRelease:
		out = "take the release of " + s.Service + " away"
	default:
		out = "update " + s.Service + " to " + s.release
	}
	if len(s.others) > 0 {
		out += " and set " + few(s.others, most)
	}
	return out
}
