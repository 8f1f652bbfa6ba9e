package manifest

import (
	"cmp"
	"slices"

	v1 "deployer/api/v1"
)

// timeline is the versions in the order in which they were written, newest first.
type timeline struct {
	versions []Version
	// whole: there are no older ones.
	whole bool
}

// inOrder brings versions into order. Within a lineage the generations tell, for the names
// of the archive follow the clocks of many writers. What cannot be read stays where its
// name puts it. The version in force may be archived already, by a writer who died before
// the next one was written.
func inOrder(now *Version, archived []Version) []Version {
	var out []Version
	seen, lineages := map[string]bool{}, map[string]int{}
	if now != nil {
		archived = append([]Version{*now}, archived...)
	}
	for i, v := range archived {
		if v.Manifest == nil {
			out = append(out, v)
			continue
		}
		if hash := v.Manifest.Hash(); !seen[hash] {
			seen[hash] = true
			out = append(out, v)
		}
		if _, known := lineages[v.Manifest.Lineage]; !known {
			lineages[v.Manifest.Lineage] = i
		}
	}
	sortReadable(out, lineages)
	return out
}

// sortReadable sorts those that can be read among the places that they have.
func sortReadable(list []Version, lineages map[string]int) {
	var at []int
	var readable []Version
	for i, v := range list {
		if v.Manifest != nil {
			at, readable = append(at, i), append(readable, v)
		}
	}
	slices.SortStableFunc(readable, func(a, b Version) int {
		return cmp.Or(
			cmp.Compare(lineages[a.Manifest.Lineage], lineages[b.Manifest.Lineage]),
			cmp.Compare(b.Manifest.Generation, a.Manifest.Generation),
		)
	})
	for i, v := range readable {
		list[at[i]] = v
	}
}

// entries compares each version with the one before it. It ends where that one has not
// been read yet.
func (t timeline) entries(service string) []Entry {
	byHash := map[string]*v1.Manifest{}
	for _, v := range t.versions {
		if v.Manifest != nil {
			byHash[v.Manifest.Hash()] = v.Manifest
		}
	}
	out := []Entry{}
	for i, v := range t.versions {
		e := Entry{Archive: v.Archive, InForce: v.Archive == "", Changes: []ServiceChange{}}
		if v.Err != nil {
			e.Problem = v.Err.Error()
			if service == "" {
				out = append(out, e)
			}
			continue
		}
		m := v.Manifest
		e.Generation, e.At, e.By, e.Message = m.Generation, m.UpdatedAt, m.UpdatedBy, m.Message
		before := byHash[m.Previous]
		if isFirst := m.Previous == "" && m.Generation > 0; before == nil && !isFirst {
			if before = older(t.versions[i+1:], m); before != nil {
				e.Since = before.Generation
			}
			e.Unknown = before == nil
		}
		if e.Unknown && !t.whole {
			return out
		}
		if e.compare(before, m, service) {
			out = append(out, e)
		}
	}
	return out
}

// older is the newest older version of the lineage that is there.
func older(list []Version, m *v1.Manifest) *v1.Manifest {
	for _, v := range list {
		if v.Manifest != nil && v.Manifest.Lineage == m.Lineage {
			return v.Manifest
		}
	}
	return nil
}

// compare fills in the changes, and reports whether the version belongs into a history of
// the service; of no service in particular, each one does.
func (e *Entry) compare(before, after *v1.Manifest, service string) bool {
	if !e.Unknown {
		for _, c := range Summarise(before, after) {
			if service == "" || c.Service == service {
				e.Changes = append(e.Changes, c)
			}
		}
	}
	if service == "" {
		return true
	}
	s := after.Service(service)
	if s != nil {
		e.Release = &v1.Target{Commit: s.Commit}
		if s.HasRelease() {
			e.Release.StorePath, e.Release.Revision = s.Artifact.StorePath, s.Release().Revision()
		}
	}
	return len(e.Changes) > 0 || e.Unknown && s != nil
}
