package controllers

import (
	"slices"

	v1 "deployer/api/v1"
)

// known reports whether a name is one that this host has to do with.
func (s *Set) known(name string) bool {
	return s.Source.Lookup(name).Kind == v1.Assigned || s.Board.Knows(name)
}

// Names are the services that are to run here, and those that do. Nothing is asked for
// them but our own memory: they are wanted when something else does not answer.
func (s *Set) Names() []string {
	names := s.Board.Names()
	for _, service := range s.assigned() {
		names = append(names, service.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// EnvFiles are the services that read a secrets file, by its path.
func (s *Set) EnvFiles() map[string][]string {
	out := map[string][]string{}
	for _, service := range s.assigned() {
		if service.EnvFile != "" {
			out[service.EnvFile] = append(out[service.EnvFile], service.Name)
		}
	}
	return out
}

// assigned are the services of the manifest in force that are to run here.
func (s *Set) assigned() []v1.Service {
	m := s.Source.Manifest()
	if m == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(m.Services), func(service v1.Service) bool {
		return s.Source.Lookup(service.Name).Kind != v1.Assigned
	})
}
