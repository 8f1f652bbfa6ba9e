package cache

import (
	"cmp"
	"slices"
	"time"
)

// Candidate is an object that nothing needs.
type Candidate struct {
	Key string `json:"key"`
	// StorePath of an entry, and the key of its content; empty for a content itself.
	StorePath string `json:"storePath,omitempty"`
	Content   string `json:"content,omitempty"`
	Bytes     int64  `json:"bytes"`
	// Since is when a collection first saw that nothing needs it, by the store's clock.
	Since time.Time `json:"since"`
	// ETag is that of the object then.
	ETag string `json:"etag"`
}

// plan is what a collection decided.
type plan struct {
	// candidates are all that nothing needs, doomed ones included, by key.
	candidates map[string]Candidate
	// entries and contents are doomed: they are to be deleted now.
	entries, contents map[string]bool
	// live is what is needed.
	live map[string]bool
	// missing is needed and not there.
	missing []string
}

// decide is the whole of a collection, without any I/O. An object is doomed when it was a
// candidate for the grace period, was not written since, and nothing that stays needs it:
// neither what the roots reach, nor a candidate whose time has not come, for somebody may
// have uploaded that one just now.
func decide(v *inventory, roots []string, before map[string]Candidate, now time.Time, grace time.Duration) plan {
	p := plan{candidates: map[string]Candidate{}}
	p.live, p.missing = v.reach(roots)
	due := map[string]bool{}
	for _, key := range v.without(p.live) {
		e := v.entries[key]
		if p.list(*e, before, now) >= grace {
			due[key] = true
		}
	}
	stays, _ := v.reach(v.without(due))
	p.entries = map[string]bool{}
	for key := range due {
		if !stays[key] {
			p.entries[key] = true
		}
	}
	p.decideContents(v, stays, before, now, grace)
	return p
}

func (p *plan) decideContents(v *inventory, stays map[string]bool, before map[string]Candidate, now time.Time, grace time.Duration) {
	needed, named := v.contentsOf(p.live), v.contentsOf(stays)
	p.contents = map[string]bool{}
	for key, info := range v.contents {
		if needed[key] {
			continue
		}
		if p.list(entry{ObjectInfo: info}, before, now) >= grace && !named[key] {
			p.contents[key] = true
		}
	}
}

// list makes an object a candidate and tells for how long it has been one.
func (p *plan) list(e entry, before map[string]Candidate, now time.Time) time.Duration {
	c := Candidate{Key: e.Key, StorePath: e.StorePath, Content: e.Content, Bytes: e.Size, Since: now, ETag: e.ETag}
	if was, known := before[e.Key]; known && was.ETag == e.ETag && e.ModifiedAt.Before(was.Since) && !was.Since.After(now) {
		c.Since = was.Since
	}
	p.candidates[e.Key] = c
	return now.Sub(c.Since)
}

// sorted gives candidates by their keys, those that are in some or those that are not.
func (p *plan) sorted(keep func(key string) bool) []Candidate {
	out := []Candidate{}
	for key, c := range p.candidates {
		if keep(key) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Candidate) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

func (p *plan) doomed(key string) bool { return p.entries[key] || p.contents[key] }
