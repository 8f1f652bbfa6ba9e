package tell

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "deployer/api/v1"
)

// Account is the answer to the question why a service is as it is.
type Account struct {
	Service string `json:"service"`
	Host    string `json:"host"`
	// Reason is one CamelCase word, for programs.
	Reason string `json:"reason"`
	// Short is the whole answer in two lines: what the matter is and why; who serves, and
	// what to do.
	Short [2]string `json:"short"`
	// Notes are about the answer itself: how old it is, and what could not be read.
	Notes []string `json:"notes,omitempty"`
	// Chain tells it in full, from the manifest to what to do now.
	Chain []Part `json:"chain"`
}

// Part is a link of the chain.
type Part struct {
	Name  string   `json:"name"`
	Lines []string `json:"lines"`
}

// Why puts the facts into words. It is false when they tell nothing of the service.
func Why(f Facts, now time.Time) (Account, bool) {
	if f.State == nil && len(f.Events) == 0 && len(f.Deployments) == 0 && f.Manifest.Removal == nil {
		return Account{Service: f.Service, Host: f.Host}, false
	}
	s := newStory(f, now)
	a := Account{Service: f.Service, Host: f.Host, Reason: s.st.Reason, Notes: s.notes(), Chain: s.chain()}
	a.Reason = or(a.Reason, "Removed")
	a.Short[0], a.Short[1] = s.short()
	return a, true
}

// Text is the account for a terminal.
func (a Account) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, a.Short[0])
	fmt.Fprintln(&b, a.Short[1])
	for _, n := range a.Notes {
		fmt.Fprintln(&b, "Note: "+n)
	}
	for _, p := range a.Chain {
		fmt.Fprintln(&b)
		name := p.Name
		for _, line := range p.Lines {
			fmt.Fprintf(&b, "%-8s  %s\n", name, line)
			name = ""
		}
	}
	return b.String()
}

// story is what the sentences are made from.
type story struct {
	Facts
	now time.Time
	// st is the last report, empty when there is none.
	st v1.ServiceState
	// try is the last deployment of what the manifest wants; nil when none is recorded.
	try *v1.Deployment
	// bad is the verdict on what the manifest wants, when that was judged bad.
	bad *v1.Verdict
	// good is the newest instance that was judged good.
	good *v1.Verdict
	// seen is the evidence; never nil.
	seen *v1.Evidence
}

func newStory(f Facts, now time.Time) *story {
	s := &story{Facts: f, now: now, seen: &v1.Evidence{}}
	if f.State != nil {
		s.st = *f.State
	}
	if len(s.Verdicts) == 0 {
		s.Verdicts = s.st.Verdicts
	}
	for i, d := range f.Deployments {
		if s.st.Desired.Revision == "" || d.Revision == s.st.Desired.Revision {
			s.try = &f.Deployments[i]
			break
		}
	}
	s.bad = first(s.Verdicts, func(v v1.Verdict) bool { return v.Result == v1.VerdictBad && s.named(v.Instance) })
	s.good = first(s.Verdicts, func(v v1.Verdict) bool {
		return v.Result == v1.VerdictSoaked && (s.bad != nil && v.Instance != s.bad.Instance || !s.named(v.Instance))
	})
	s.seen = cmp.Or(s.st.Evidence, s.seen)
	if s.bad != nil {
		s.seen = cmp.Or(s.bad.Evidence, s.seen)
	}
	return s
}

func first(all []v1.Verdict, fits func(v1.Verdict) bool) *v1.Verdict {
	if i := slices.IndexFunc(all, fits); i >= 0 {
		return &all[i]
	}
	return nil
}

// named reports whether the instance is of the release that the manifest names, as far as
// the report tells.
func (s *story) named(instance string) bool {
	if s.st.Desired.Instance != "" {
		return instance == s.st.Desired.Instance
	}
	return s.st.Desired.Revision != "" && strings.HasPrefix(instance, s.st.Desired.Revision+"-")
}

// wanted reports whether the target is what the manifest wants. The same release with
// another secrets file is not.
func (s *story) wanted(t v1.Target) bool {
	instance := s.st.Desired.Instance
	if instance == "" && s.bad != nil {
		instance = s.bad.Instance
	}
	if instance != "" && t.Instance != "" {
		return t.Instance == instance
	}
	return t.Revision == s.st.Desired.Revision
}

// name is how the service is called in the first line.
func (s *story) name() string { return s.Service + " on " + s.Host }

// lasting is how long something has been so, in whole seconds.
func (s *story) lasting(since time.Time) string {
	return Span(s.now.Sub(since).Truncate(time.Second))
}

// notes are about the answer itself.
func (s *story) notes() []string {
	var out []string
	switch {
	case s.Down:
		out = append(out, "THE DAEMON DOES NOT RUN: this is what it wrote "+Ago(s.WrittenAt, s.now)+"; `systemctl start biz-deployer`")
	case !s.WrittenAt.IsZero():
		out = append(out, "only root may ask the daemon (use sudo): this is what it wrote "+Ago(s.WrittenAt, s.now))
	}
	for _, m := range s.Missing {
		out = append(out, "not all is known: "+m)
	}
	return out
}
