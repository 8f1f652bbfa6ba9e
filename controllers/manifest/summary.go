package manifest

import (
	"path"
	"slices"
	"strings"

	v1 "deployer/api/v1"
)

// What a summary says of a name that is to go no more, and of a service without a release.
const (
	unremoved = "no longer listed in removed"
	noRelease = "none"
)

// ServiceChange is what a write changed of one service, in a line.
type ServiceChange struct {
	// Service is empty for a field of the whole document.
	Service string `json:"service,omitempty"`
	// Kind of what happened to the service.
	Kind v1.ChangeKind `json:"kind"`
	// Summary is for people: "release 3f2a9c1 → 9b1d2e0; env.AREA".
	Summary string `json:"summary"`
	// Fields that differ, as set takes them.
	Fields []string `json:"fields,omitempty"`
	// NewProcess: the program is started anew.
	NewProcess bool `json:"newProcess,omitempty"`

	// release is the new one, when it changed; others are the fields beside it.
	release string
	others  []string
	// kept: some field has a value still, or a new one.
	kept bool
}

// Summarise says what differs between two versions, a line for each service, in the order
// of v1.Diff.
func Summarise(before, after *v1.Manifest) []ServiceChange {
	var out []ServiceChange
	at := map[string]int{}
	for _, c := range v1.Diff(before, after) {
		i, known := at[c.Service]
		if !known {
			i = len(out)
			at[c.Service] = i
			out = append(out, ServiceChange{Service: c.Service, Kind: v1.Changed})
		}
		out[i].take(c)
	}
	for i := range out {
		out[i].finish(before, after)
	}
	return out
}

// take adds one difference. That a service came or went is more than what differs in the
// list of those that are to go.
func (s *ServiceChange) take(c v1.Change) {
	s.NewProcess = s.NewProcess || c.NewProcess
	switch {
	case c.Field == "":
		s.Kind = c.Kind
	case c.Field == "removed" && c.Kind == v1.Added:
		s.Kind = v1.Removed
	default:
		s.Fields = append(s.Fields, c.Field)
		s.kept = s.kept || c.Kind != v1.Removed
	}
}

func (s *ServiceChange) finish(before, after *v1.Manifest) {
	now := after.Service(s.Service)
	if s.Kind == v1.Added {
		s.Fields, s.release = nil, releaseName(now)
		s.Summary = "added on " + strings.Join(now.Hosts, ", ")
		return
	}
	if s.Kind == v1.Removed {
		s.Fields, s.Summary = nil, "removed"
		if !after.IsRemoved(s.Service) {
			s.Summary = "not listed any more"
		}
		return
	}
	if slices.Equal(s.Fields, []string{"removed"}) {
		s.Summary = unremoved
		return
	}
	var parts []string
	s.others = s.Fields
	if slices.Contains(s.Fields, "artifact.storePath") || slices.Contains(s.Fields, "artifact") {
		s.release = releaseName(now)
		parts = append(parts, "release "+releaseName(before.Service(s.Service))+" → "+s.release)
		s.others = slices.DeleteFunc(slices.Clone(s.Fields), func(f string) bool {
			return f == "commit" || f == "artifact" || strings.HasPrefix(f, "artifact.")
		})
	}
	if len(s.others) > 0 {
		parts = append(parts, few(s.others, 6))
	}
	s.Summary = strings.Join(parts, "; ")
}

// releaseName is the commit that a release was built from, else its store path, short.
func releaseName(s *v1.Service) string {
	switch {
	case s == nil || !s.HasRelease():
		return noRelease
	case s.Commit != "":
		return shortCommit(s.Commit)
	}
	return ShortPath(s.Artifact.StorePath)
}

// shortCommit cuts hashes, and no tags.
func shortCommit(commit string) string {
	if len(commit) >= 12 && strings.Trim(commit, "0123456789abcdef") == "" {
		return commit[:7]
	}
	return commit
}

// ShortPath is a store path for a narrow column: 0123456…-web-1.2.
func ShortPath(storePath string) string {
	base := path.Base(storePath)
	if hash, name, ok := strings.Cut(base, "-"); ok && len(hash) == 32 {
		return hash[:7] + "…-" + name
	}
	return base
}

// few names the first ones.
func few(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + ", …"
}
