package tell

import (
	"fmt"
	"strings"
	"unicode"

	v1 "deployer/api/v1"
)

// because says in half a sentence, in words that need no manual, why the wanted release was
// judged bad.
func (s *story) because() string {
	reason, message := s.st.Reason, s.st.Message
	switch {
	case s.bad != nil:
		reason, message = s.bad.Reason, s.bad.Message
	case s.try != nil && s.try.Reason != "":
		reason, message = s.try.Reason, s.try.Detail
	}
	answer := ""
	if s.seen.ProbeURL != "" {
		answer = fmt.Sprintf(": the last answer of %s was: %s", s.seen.ProbeURL, or(s.seen.ProbeAnswer, "none"))
	}
	switch reason {
	case "Exited", "ExitedAtStart":
		return or(howEnded(s.seen), "its program ended by itself")
	case "Flapped", "IllWhileSoaking":
		how := strings.TrimPrefix(answer, ": ")
		if ended := howEnded(s.seen); ended != "" {
			how = ended
		}
		return "it was well at first, but did not stay so while it was watched: " + or(how, plain(message))
	case "HealthDeadlineExceeded":
		if answer != "" {
			return "it did not get well in time" + answer
		}
	case "ExecFailed":
		return "its program cannot be executed: it is missing, not executable, or for another architecture"
	case "NotReady", "StartTimedOut":
		return "it did not tell systemd in time that it is ready"
	case "SystemCallRefused":
		return "it made a system call that its hardening refuses (`hardening.allow` in the manifest has words for what it needs)"
	}
	return or(plain(message), "of "+words(reason))
}

// howEnded says how the program ended; empty when that was not seen.
func howEnded(e *v1.Evidence) string {
	switch {
	case e.Signal != "":
		return "its program was killed by signal " + strings.TrimPrefix(e.Signal, "SIG")
	case e.ExitStatus != nil:
		return fmt.Sprintf("its program ended by itself with exit status %d", *e.ExitStatus)
	}
	return ""
}

// lastWords is the last thing that the program itself wrote, when there is anything and it
// is short enough for a first line.
func (s *story) lastWords() string {
	const longest = 90
	for i := len(s.seen.Log) - 1; i >= 0; i-- {
		who, said := speaker(s.seen.Log[i])
		said = strings.TrimSpace(said)
		if who == "systemd" || said == "" {
			continue
		}
		if r := []rune(said); len(r) > longest {
			said = string(r[:longest-1]) + "…"
		}
		return "; its last words: " + said
	}
	return ""
}

// speaker takes a journal line apart: `2026-11-25T22:08:03.123Z web[7]: text`. A line of
// another form is all text.
func speaker(line string) (who, said string) {
	head, said, ok := strings.Cut(line, "]: ")
	_, ident, dated := strings.Cut(head, " ")
	if who, _, open := strings.Cut(ident, "["); ok && dated && open && !strings.Contains(who, " ") {
		return who, said
	}
	return "", line
}

// serving says, for who has been woken up, whether anything is down.
func (s *story) serving() string {
	now, what := s.st.Serving, "runs"
	if s.st.Route != "" {
		what = "answers requests to " + strings.TrimSuffix(s.st.Route, "/")
	}
	if now.Revision == "" {
		if s.st.Route != "" {
			return "NOTHING ANSWERS requests to " + strings.TrimSuffix(s.st.Route, "/")
		}
		return "NOTHING of it runs"
	}
	who := "Release " + now.Revision
	switch {
	case s.before(now) && s.otherSecrets():
		who = "The same release with the secrets file before it"
	case s.before(now):
		who = "The release before it, " + now.Revision + ","
	}
	switch s.st.Health {
	case v1.Failed, v1.Degraded:
		return who + " " + what + ", but is not well"
	case v1.HealthUnknown:
		return who + " " + what
	}
	if s.st.Desired.Revision != "" && !s.wanted(now) {
		return who + " " + what + ": nothing is down"
	}
	return who + " " + what
}

// before reports whether the target is what ran before the wanted release was tried.
func (s *story) before(t v1.Target) bool {
	if s.wanted(t) {
		return false
	}
	if s.try != nil && s.try.Before.Revision != "" {
		return t.Revision == s.try.Before.Revision
	}
	return s.bad != nil
}

// message is that of the report, as part of a sentence.
func (s *story) message() string { return or(plain(s.st.Message), "of "+words(s.st.Reason)) }

// Brief is what happened without the advice that such a message ends with, for a table.
func Brief(message string) string { return plain(message) }

// plain is an error's text as part of a sentence: on one line, without what was being done
// and without the advice that it ends with, which are told elsewhere, without the technical
// cause of what was explained already, and without a full stop.
func plain(message string) string {
	text := strings.Join(strings.Fields(message), " ")
	text, _, _ = strings.Cut(text, "; look at `deployerctl logs ")
	text, _, _ = strings.Cut(text, "; `deployerctl why ")
	for {
		doing, rest, ok := strings.Cut(text, ": ")
		if !ok || !isStep(doing) && !isGerund(doing) {
			break
		}
		text = rest
	}
	text, _, _ = strings.Cut(text, ": unavailable: ")
	return strings.TrimSuffix(text, ".")
}

// isGerund: "reading the route of web", as errors are wrapped.
func isGerund(s string) bool {
	first, _, _ := strings.Cut(s, " ")
	return strings.HasSuffix(first, "ing") && isStep(first)
}

// isStep: one lower-case word, as steps are called; and bare sentinels.
func isStep(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < 'a' || r > 'z' }) < 0
}

// words takes a CamelCase reason apart: HealthDeadlineExceeded is "health deadline exceeded".
func words(reason string) string {
	var b strings.Builder
	for i, r := range reason {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return ""
	}
	return string(unicode.ToUpper(r[0])) + string(r[1:]) + "."
}

func commit(t v1.Target) string {
	const length = 12
	if t.Commit == "" {
		return ""
	}
	return ", commit " + t.Commit[:min(len(t.Commit), length)]
}
