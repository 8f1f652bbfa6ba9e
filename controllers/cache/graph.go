package cache

import (
	"maps"
	"slices"
	"strings"

	"deployer/providers"
)

// entry is one path of the cache.
type entry struct {
	providers.ObjectInfo
	providers.CacheEntry
}

// inventory is all that the cache has: entries by key, and their contents.
type inventory struct {
	entries  map[string]*entry
	contents map[string]providers.ObjectInfo
}

const (
	entrySuffix   = ".narinfo"
	contentPrefix = "nar/"
)

// isEntry and isContent tell the objects of the cache from all others, which are never
// deleted, whatever an entry says.
func isEntry(key string) bool {
	return strings.HasSuffix(key, entrySuffix) && !strings.Contains(key, "/")
}
func isContent(key string) bool { return strings.HasPrefix(key, contentPrefix) }

// reach gives all entries that can be reached from some, themselves included, and what is
// needed and not there.
func (v *inventory) reach(from []string) (reached map[string]bool, missing []string) {
	reached = map[string]bool{}
	lacking := map[string]bool{}
	todo := slices.Clone(from)
	for len(todo) > 0 {
		key := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		e, there := v.entries[key]
		switch {
		case !there:
			lacking[key] = true
		case !reached[key]:
			reached[key] = true
			todo = append(todo, e.Needs...)
		}
	}
	return reached, slices.Sorted(maps.Keys(lacking))
}

// contentsOf gives the contents that some entries name.
func (v *inventory) contentsOf(keys map[string]bool) map[string]bool {
	out := map[string]bool{}
	for key := range keys {
		if e := v.entries[key]; e.Problem == "" {
			out[e.Content] = true
		}
	}
	return out
}

// without gives the keys of all entries that are not among some.
func (v *inventory) without(some map[string]bool) []string {
	var out []string
	for key := range v.entries {
		if !some[key] {
			out = append(out, key)
		}
	}
	return out
}

// waves orders entries so that each comes after all that refer to it: those of one wave may
// be deleted at once. A path refers to none that refers to it; entries that claim so all
// the same come last.
func (v *inventory) waves(doomed map[string]bool) [][]string {
	referrers := map[string]int{}
	for key := range doomed {
		for _, need := range v.entries[key].Needs {
			if doomed[need] {
				referrers[need]++
			}
		}
	}
	var out [][]string
	left := maps.Clone(doomed)
	for len(left) > 0 {
		var wave []string
		for key := range left {
			if referrers[key] == 0 {
				wave = append(wave, key)
			}
		}
		if len(wave) == 0 {
			wave = slices.Collect(maps.Keys(left))
		}
		slices.Sort(wave)
		for _, key := range wave {
			delete(left, key)
			for _, need := range v.entries[key].Needs {
				referrers[need]--
			}
		}
		out = append(out, wave)
	}
	return out
}
