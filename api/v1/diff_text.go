package v1

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// normalTime makes equal times equal values, whatever their zone.
func normalTime(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.UTC().Round(0)
	}
	return v
}

func sortedKeys(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// FormatDiff renders changes for people, one a line under the service's name; empty for
// no changes:
//
//	web
//	  ~ artifact.storePath: /nix/store/…-web-1 → /nix/store/…-web-2 (new process)
//	  + env.AREA: Live (new process)
//	+ api: new service on biz
func FormatDiff(changes []Change) string {
	var b strings.Builder
	last := ""
	toGo := map[string]bool{}
	for _, c := range changes {
		toGo[c.Service] = toGo[c.Service] || c.Field == "removed" && c.Kind == Added
	}
	for _, c := range changes {
		if c.Field == "" && c.Kind == Removed && toGo[c.Service] {
			continue // said by the line of its removal
		}
		if line := wholeService(c); line != "" {
			b.WriteString(line + "\n")
			last = ""
			continue
		}
		if c.Service != last && c.Service != "" {
			b.WriteString(c.Service + "\n")
		}
		last = c.Service
		indent := "  "
		if c.Service == "" {
			indent = ""
		}
		b.WriteString(indent + fieldLine(c) + "\n")
	}
	return b.String()
}

// wholeService is the line of a service that came, went or is to be removed.
func wholeService(c Change) string {
	switch {
	case c.Field == "removed" && c.Kind == Added:
		return fmt.Sprintf("- %s: removed; hosts take it down", c.Service)
	case c.Field == "removed":
		return fmt.Sprintf("~ %s: no longer listed in removed", c.Service)
	case c.Field != "":
		return ""
	case c.Kind == Removed:
		return fmt.Sprintf("- %s: not listed any more", c.Service)
	}
	s, _ := c.New.(Service)
	return fmt.Sprintf("+ %s: new service on %s", c.Service, strings.Join(s.Hosts, ", "))
}

func fieldLine(c Change) string {
	note := ""
	if c.NewProcess {
		note = " (new process)"
	}
	switch c.Kind {
	case Added:
		return fmt.Sprintf("+ %s: %s%s", c.Field, formatValue(c.New), note)
	case Removed:
		return fmt.Sprintf("- %s: %s%s", c.Field, formatValue(c.Old), note)
	}
	return fmt.Sprintf("~ %s: %s → %s%s", c.Field, formatValue(c.Old), formatValue(c.New), note)
}

// formatValue shows a plain word as it is and everything else as JSON.
func formatValue(v any) string {
	switch t := v.(type) {
	case string:
		if t != "" && len(t) <= 200 && badText(t, 200) == "" && !strings.ContainsAny(t, " \"'") {
			return t
		}
	case Duration:
		return t.String()
	case time.Time:
		return t.Format(time.RFC3339)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
