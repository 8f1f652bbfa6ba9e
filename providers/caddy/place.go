package caddy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Where our routes stand among other people's. Caddy takes the first route that
// matches, so:
//
//   - Each of ours stands before the first foreign route that would take all of its
//     requests: a catch-all, a wildcard host, or the same host without a path. The
//     manifest wins an equal claim, for a service that is deployed, healthy and silently
//     never asked would be worse.
//   - Each of ours stands after everything else that was there: foreign routes with a
//     path of the same host, and foreign routes that only pass requests on (headers,
//     encode, a firewall), go on working for our services too.
//   - Among ours a longer path of the same host comes first.
//
// A route that is right by these rules is left where it is, even if we would put it
// elsewhere today: moving it would be a write for nothing.

// misplaced says for people, by index, which of our routes are not reached as they
// should be, and why. One pass, because every service asks.
func misplaced(routes []element) map[int]string {
	var wrong map[int]string
	foreign := newSwallowers()
	ours := make(map[string][]int)
	for i, e := range routes {
		if e.service == "" {
			foreign.add(i, e)
			continue
		}
		if why := shadow(routes, i, foreign, ours); why != "" {
			if wrong == nil {
				wrong = make(map[int]string)
			}
			wrong[i] = why
		}
		for _, host := range e.hosts {
			ours[host] = append(ours[host], i)
		}
	}
	return wrong
}

// shadow names the earlier route that takes the requests of the one at index.
func shadow(routes []element, index int, foreign *swallowers, ours map[string][]int) string {
	mine := routes[index]
	if i, found := foreign.first(mine.hosts); found {
		return fmt.Sprintf("route %d of somebody else comes first and takes its requests", i)
	}
	for _, host := range mine.hosts {
		for _, i := range ours[host] {
			if p := routes[i].path; p == "" && mine.path != "" || strings.HasPrefix(mine.path, p+"/") && p != "" {
				return fmt.Sprintf("the route of %s comes first and takes its requests", routes[i].service)
			}
		}
	}
	return ""
}

// arrange puts all routes of ours where the rules want them and keeps the order of the
// foreign ones.
func arrange(routes []element) []element {
	var ours, foreign []element
	swallowing := newSwallowers()
	for _, e := range routes {
		if e.service == "" {
			swallowing.add(len(foreign), e)
			foreign = append(foreign, e)
		} else {
			ours = append(ours, e)
		}
	}
	// From the shortest path up: a longer one must not stand behind a shorter one of the
	// same host that had to move up.
	slices.SortFunc(ours, func(a, b element) int {
		return cmp.Or(len(a.path)-len(b.path), -strings.Compare(a.service, b.service))
	})
	before := make([][]element, len(foreign)+1)
	limit := make(map[string]int)
	for _, e := range ours {
		place := len(foreign)
		if i, found := swallowing.first(e.hosts); found {
			place = i
		}
		for _, host := range e.hosts {
			if l, ok := limit[host]; ok {
				place = min(place, l)
			}
		}
		for _, host := range e.hosts {
			limit[host] = place
		}
		before[place] = append(before[place], e)
	}
	out := make([]element, 0, len(routes))
	for i := range before {
		slices.Reverse(before[i])
		out = append(out, before[i]...)
		if i < len(foreign) {
			out = append(out, foreign[i])
		}
	}
	return out
}

// swallowers finds the first foreign route that takes every request of a host.
type swallowers struct {
	exact map[string]int
	// wild are host patterns with a star; everything is the index of a catch-all.
	wild       []wildcard
	everything int
}

type wildcard struct {
	pattern string
	index   int
}

func newSwallowers() *swallowers {
	return &swallowers{exact: make(map[string]int), everything: -1}
}

// add takes the foreign routes in their order.
func (s *swallowers) add(index int, e element) {
	if e.takesAll && s.everything < 0 {
		s.everything = index
	}
	for _, host := range e.takes {
		if strings.Contains(host, "*") {
			s.wild = append(s.wild, wildcard{host, index})
		} else if _, known := s.exact[host]; !known {
			s.exact[host] = index
		}
	}
}

func (s *swallowers) first(hosts []string) (index int, found bool) {
	consider := func(i int) {
		if !found || i < index {
			index, found = i, true
		}
	}
	if s.everything >= 0 {
		consider(s.everything)
	}
	for _, host := range hosts {
		if i, ok := s.exact[host]; ok {
			consider(i)
		}
		for _, w := range s.wild {
			if covers(w.pattern, host) {
				consider(w.index)
			}
		}
	}
	return index, found
}

// covers follows Caddy: a * stands for one label.
func covers(pattern, host string) bool {
	p, h := strings.Split(pattern, "."), strings.Split(host, ".")
	return slices.EqualFunc(p, h, func(want, label string) bool { return want == "*" || want == label })
}
