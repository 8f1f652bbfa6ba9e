package v1

import (
	"maps"
	"slices"
)

// Service returns the service of that name, to read or to edit, or nil.
func (m *Manifest) Service(name string) *Service {
	for i := range m.Services {
		if m.Services[i].Name == name {
			return &m.Services[i]
		}
	}
	return nil
}

// ForHost returns the services that name the host, in the order of the manifest.
func (m *Manifest) ForHost(host string) []Service {
	var out []Service
	for _, s := range m.Services {
		if slices.Contains(s.Hosts, host) {
			out = append(out, s)
		}
	}
	return out
}

// IsRemoved reports whether the manifest says that the service is to go. A service that
// is merely absent is not removed.
func (m *Manifest) IsRemoved(name string) bool {
	return slices.ContainsFunc(m.Removed, func(r Removal) bool { return r.Name == name })
}

// Clone is a copy that shares nothing with the original: edit it, then Diff the two.
func (m *Manifest) Clone() *Manifest {
	out := *m
	out.Expires = clonePointer(m.Expires)
	out.Removed = slices.Clone(m.Removed)
	out.Services = slices.Clone(m.Services)
	for i := range out.Services {
		out.Services[i] = out.Services[i].Clone()
	}
	return &out
}

// Clone is a copy that shares nothing with the original.
func (s Service) Clone() Service {
	s.Artifact = clonePointer(s.Artifact)
	s.Hosts = slices.Clone(s.Hosts)
	s.Exec.Command = slices.Clone(s.Exec.Command)
	s.Exec.Args = slices.Clone(s.Exec.Args)
	s.Env = maps.Clone(s.Env)
	if s.HTTP = clonePointer(s.HTTP); s.HTTP != nil {
		s.HTTP.Aliases = slices.Clone(s.HTTP.Aliases)
	}
	if s.Health = clonePointer(s.Health); s.Health != nil {
		s.Health.Exec = slices.Clone(s.Health.Exec)
	}
	s.Deploy.Order = slices.Clone(s.Deploy.Order)
	s.Systemd.After = slices.Clone(s.Systemd.After)
	s.Systemd.Requires = slices.Clone(s.Systemd.Requires)
	s.Hardening.DynamicUser = clonePointer(s.Hardening.DynamicUser)
	s.Hardening.PrivateTmp = clonePointer(s.Hardening.PrivateTmp)
	s.Hardening.Allow = slices.Clone(s.Hardening.Allow)
	if s.Hold = clonePointer(s.Hold); s.Hold != nil {
		s.Hold.Until = clonePointer(s.Hold.Until)
	}
	return s
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
