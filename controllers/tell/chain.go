package tell

import (
	"fmt"
	"slices"
	"strings"

	v1 "deployer/api/v1"
)

// chain tells the whole of it: wanted → release → changed → tried → seen → decided → to do.
// A part of which nothing is known is left out.
func (s *story) chain() []Part {
	all := []Part{
		{"wanted", s.wish()},
		{"release", s.whatItIs()},
		{"changed", s.changed()},
		{"tried", s.tried()},
		{"seen", s.sight()},
		{"decided", s.decided()},
		{"now", s.present()},
		{"to do", s.toDo()},
	}
	return slices.DeleteFunc(all, func(p Part) bool { return len(p.Lines) == 0 })
}

// wish: who wants this, since when, and why.
func (s *story) wish() []string {
	var out []string
	m := s.Manifest
	if t := s.try; t != nil && s.st.Desired.Revision != "" {
		line := fmt.Sprintf("release %s since generation %d of the manifest", t.Revision, t.Generation)
		out = append(out, line+author(t.By, t.Message)+"; this host began with it "+Ago(t.Began, s.now)+" ("+clock(t.Began, s.now)+")")
	}
	if m.Generation > 0 && (s.try == nil || s.try.Generation != m.Generation) {
		line := fmt.Sprintf("generation %d of the manifest is in force%s", m.Generation, author(m.UpdatedBy, m.Message))
		if !m.UpdatedAt.IsZero() {
			line += ", written " + Ago(m.UpdatedAt, s.now)
		}
		out = append(out, line)
	}
	if m.StaleSince != nil {
		out = append(out, fmt.Sprintf("the manifest could not be read for %s: %s", Span(s.now.Sub(*m.StaleSince)), or(plain(m.Problem), "the store does not answer")))
	}
	return out
}

func author(by, message string) string {
	text := ""
	if by != "" {
		text = ", by " + by
	}
	if message != "" {
		text += fmt.Sprintf(" (%q)", message)
	}
	return text
}

func (s *story) whatItIs() []string {
	t := s.st.Desired
	if t.Revision == "" {
		return nil
	}
	out := []string{t.Revision + commit(t) + ", " + t.StorePath}
	if s.st.Strategy != "" {
		line := "brought in by " + s.st.Strategy
		if s.st.StrategyReason != "" {
			line += ", for " + s.st.StrategyReason
		}
		out = append(out, line)
	}
	return out
}

func (s *story) changed() []string {
	switch {
	case s.try == nil || s.st.Desired.Revision == "":
		return nil
	case s.try.Before.Revision == "":
		return []string{"nothing served before it on this host"}
	case len(s.try.Changed) == 0:
		return []string{"against " + s.try.Before.Revision + commit(s.try.Before)}
	}
	return []string{fmt.Sprintf("%s (against %s%s)", strings.Join(s.try.Changed, ", "), s.try.Before.Revision, commit(s.try.Before))}
}

// sight is what was seen of a release that failed.
func (s *story) sight() []string {
	var out []string
	if how := howEnded(s.seen); how != "" {
		out = append(out, how)
	}
	if s.seen.ProbeURL != "" {
		out = append(out, fmt.Sprintf("%s was asked, and answered: %s", s.seen.ProbeURL, or(s.seen.ProbeAnswer, "nothing")))
	}
	const most = 20
	log := s.seen.Log
	if len(log) == 0 {
		return out
	}
	out = append(out, "its last lines in the journal:")
	for _, line := range log[max(0, len(log)-most):] {
		out = append(out, "  "+line)
	}
	return out
}

// decided is what was made of it.
func (s *story) decided() []string {
	var out []string
	if s.bad != nil {
		out = append(out, fmt.Sprintf("%s was judged bad %s (%s): %s", s.bad.Instance, Ago(s.bad.At, s.now), clock(s.bad.At, s.now),
			or(plain(s.bad.Message), words(s.bad.Reason))),
			"it is not tried again until the manifest names another release or somebody says retry")
	}
	switch {
	case s.bad == nil:
	case s.good != nil:
		out = append(out, fmt.Sprintf("the last good one is %s, judged good %s", s.good.Instance, Ago(s.good.At, s.now)))
	default:
		out = append(out, "there is no good one to go back to; it was stopped and is kept for a look")
	}
	if s.st.State != v1.HeldState && s.st.Hold != nil {
		out = append(out, "held by "+Hold(*s.st.Hold, s.now)+"; that begins at the next point where it can rest")
	}
	if h := s.st.Healed; h != nil {
		out = append(out, Healed(*h, s.now))
	}
	return out
}

// present is how it is now, in the words of status.
func (s *story) present() []string {
	if s.State == nil {
		return nil
	}
	line := fmt.Sprintf("state %s, sync %s, health %s", s.st.State, s.st.Sync, s.st.Health)
	if !s.st.Since.IsZero() {
		line += " for " + s.lasting(s.st.Since)
	}
	out := []string{line + ": " + s.st.Reason}
	if s.st.State == v1.HeldState && s.st.Message != "" {
		out = append(out, plain(s.st.Message))
	}
	if s.st.Serving.Revision != "" {
		out = append(out, "serving: "+s.st.Serving.Revision+commit(s.st.Serving)+", "+s.st.Serving.StorePath)
	}
	if s.st.Failures > 0 {
		out = append(out, fmt.Sprintf("the last %d looks at it ended with that", s.st.Failures))
	}
	return out
}
