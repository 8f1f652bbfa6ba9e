package sweep

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// sighting is a thing that nobody wanted at that time.
type sighting struct {
	key string
	// wish is what the manifest wanted of its service: with another wish it is another
	// sighting.
	wish string
	at   time.Time
}

// noted remembers since when things are unwanted. It is memory of this process only: a new
// daemon waits anew, which costs some minutes and never a thing that is wanted.
type noted struct {
	mu sync.Mutex
	// seen are the first sightings, by service and key.
	seen map[string]map[string]sighting
	// due are the services to sweep in their next turn.
	due map[string]bool
}

// update takes what a look found, and gives the names of which something is ripe.
func (n *noted) update(found map[string][]sighting, grace time.Duration, now time.Time) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := make(map[string]map[string]sighting, len(found))
	n.due = map[string]bool{}
	for name, list := range found {
		seen[name] = make(map[string]sighting, len(list))
		for _, s := range list {
			if first, ok := n.seen[name][s.key]; ok && first.wish == s.wish {
				s = first
			}
			seen[name][s.key] = s
			if now.Sub(s.at) >= grace {
				n.due[name] = true
			}
		}
	}
	n.seen = seen
	return slices.Sorted(maps.Keys(n.due))
}

// take tells whether a name is to be swept, once.
func (n *noted) take(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	due := n.due[name]
	delete(n.due, name)
	return due
}

// ripe reports whether a thing that is unwanted now was so for long enough.
func (n *noted) ripe(name string, now sighting, grace time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	first, ok := n.seen[name][now.key]
	return ok && first.wish == now.wish && now.at.Sub(first.at) >= grace
}

// any reports whether anything waits for its time.
func (n *noted) any() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.seen) > 0
}
