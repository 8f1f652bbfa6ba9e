package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "deployer/api/v1"
)

// A report is small, whatever the programs of a host write into their logs: every other
// host and everybody who asks for the fleet's status reads it.
const (
	maxReport   = 256 << 10
	maxLines    = 20
	maxLine     = 400
	maxMessage  = 2000
	maxVerdicts = 10
)

// forStore is a state as the store gets it. When it is too large all the same, the longest
// parts go first; what is wanted, what serves and how it is doing always stays.
func forStore(s v1.HostState) ([]byte, error) {
	s.Services = slices.Clone(s.Services)
	for i := range s.Services {
		s.Services[i] = bounded(s.Services[i])
	}
	for _, give := range []func(*v1.ServiceState){nil, withoutLogs, withoutDetails} {
		for i := range s.Services {
			if give != nil {
				give(&s.Services[i])
			}
		}
		data, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("encoding the report: %w", err)
		}
		if len(data) <= maxReport {
			return data, nil
		}
	}
	return nil, fmt.Errorf("the report of %d services is longer than %d bytes", len(s.Services), maxReport)
}

// bounded shortens what programs write; the state's own slices are not touched. The log of
// a bad release is told once, with the service; its verdict has the rest.
func bounded(s v1.ServiceState) v1.ServiceState {
	s.Message = shortened(s.Message, maxMessage)
	s.StrategyReason = ""
	if s.Evidence != nil {
		e := *s.Evidence
		e.ProbeAnswer = shortened(e.ProbeAnswer, maxLine)
		e.Log = slices.Clone(e.Log[max(0, len(e.Log)-maxLines):])
		for i, line := range e.Log {
			e.Log[i] = shortened(line, maxLine)
		}
		s.Evidence = &e
	}
	s.Verdicts = newest(s.Verdicts, s.Desired.Revision)
	for i, v := range s.Verdicts {
		s.Verdicts[i].Message, s.Verdicts[i].Evidence = shortened(v.Message, maxMessage), nil
	}
	s.Conditions = slices.Clone(s.Conditions)
	for i, c := range s.Conditions {
		s.Conditions[i].Message = shortened(c.Message, maxLine)
	}
	return s
}

// newest are the newest verdicts, and all on the revision that is wanted: other hosts go by
// those.
func newest(all []v1.Verdict, wanted string) []v1.Verdict {
	var out []v1.Verdict
	for i, v := range all {
		if i < maxVerdicts || wanted != "" && strings.HasPrefix(v.Instance, wanted+"-") {
			out = append(out, v)
		}
	}
	return out
}

func withoutLogs(s *v1.ServiceState) {
	if s.Evidence != nil {
		s.Evidence.Log = nil
	}
}

func withoutDetails(s *v1.ServiceState) {
	s.Conditions = slices.DeleteFunc(s.Conditions, func(c v1.Condition) bool { return c.Status != v1.True })
	s.Message, s.Slots = shortened(s.Message, maxLine), nil
	for i := range s.Conditions {
		s.Conditions[i].Message = ""
	}
	for i := range s.Verdicts {
		s.Verdicts[i].Message = ""
	}
}

// shortened cuts at a character's end.
func shortened(text string, longest int) string {
	if len(text) <= longest {
		return text
	}
	cut := longest
	for cut > 0 && text[cut]&0xC0 == 0x80 {
		cut--
	}
	return text[:cut] + "…"
}
