package tell

import (
	"fmt"
	"slices"

	v1 "deployer/api/v1"
)

// help is a command and what it is good for.
type help struct{ command, what string }

// toDo are the commands that help, the most likely first.
func (s *story) toDo() []string {
	name := s.Service
	var all []help
	switch st := &s.st; {
	case s.State == nil:
	case st.State == v1.HeldState:
		all = []help{{s.unhold(), "end the hold"}}
	case s.bad != nil && (st.State == v1.Stalled || st.State == v1.Reverting):
		all = []help{
			{"deploy-push " + name + " STORE_PATH", "push a fix"},
			{"deployerctl logs " + name, "read the whole log"},
			{"deployerctl retry " + name, "try the same release again on this host"},
		}
		if s.good != nil {
			all = append(all, help{"deploy-manifest rollback --service " + name, "or let all hosts want its previous good release"})
		}
	case st.State == v1.Stalled || st.Failures > 0 || slices.Contains([]v1.HealthState{v1.Degraded, v1.Failed}, st.Health):
		all = []help{
			{"deployerctl doctor", "check this host, and get the remedy"},
			{"deployerctl logs " + name, "read the log of the program"},
			{"deployerctl sync --wait", "look again now"},
		}
	}
	return aligned(all)
}

func aligned(all []help) []string {
	width := 0
	for _, h := range all {
		width = max(width, len(h.command))
	}
	var out []string
	for _, h := range all {
		out = append(out, fmt.Sprintf("%-*s  # %s", width, h.command, h.what))
	}
	return out
}
