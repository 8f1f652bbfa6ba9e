package controllers

import (
	"slices"

	v1 "deployer/api/v1"
	"deployer/controllers/service"
)

// successor names the service that takes the place of one that goes from this host: it has
// its route or its port, so it is the same thing under another name. Empty when there is
// none, and from the moment on at which the other one serves. What goes serves until then:
// see the removal plan.
func (s *Set) successor(old service.Place) string {
	m := s.Source.Manifest()
	if m == nil || old.Route == "" && old.Port == 0 {
		return ""
	}
	for i := range m.Services {
		name := m.Services[i].Name
		a := s.Source.Lookup(name)
		if name == old.Service || a.Kind != v1.Assigned || a.Revision == "" || !takesPlace(a.Service.HTTP, old) {
			continue
		}
		if st, ok := s.Board.State(name); !ok || !serves(st) {
			return name
		}
	}
	return ""
}

func takesPlace(h *v1.HTTP, old service.Place) bool {
	if h == nil {
		return false
	}
	return h.InternalPort == old.Port || slices.ContainsFunc(append([]string{h.Domain}, h.Aliases...), func(domain string) bool {
		return domain+h.Path == old.Route
	})
}

// serves: requests go to it, and it answers.
func serves(st v1.ServiceState) bool {
	return st.Serving.Instance != "" && st.Upstream != "" && st.Health != v1.Failed && st.Health != v1.Degraded
}
