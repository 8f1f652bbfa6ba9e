package v1

// TakeRelease makes the service's release that of another version of it, and leaves alone
// what applies in place: domain, aliases, path, hosts, soak, drain, hold, protection. The
// revision is then that of the other version. Nothing is shared with it.
func (s *Service) TakeRelease(other Service) {
	other = other.Clone()
	s.Artifact, s.Commit = other.Artifact, other.Commit
	s.Exec, s.Env, s.EnvFile = other.Exec, other.Env, other.EnvFile
	s.Systemd, s.Hardening, s.Resources = other.Systemd, other.Hardening, other.Resources
	s.StateDirectory, s.Deploy.Attempt = other.StateDirectory, other.Deploy.Attempt
	if s.writtenHealthType() != other.writtenHealthType() {
		s.Health = other.Health
	}
	switch {
	case s.HTTP == nil || other.HTTP == nil:
		s.HTTP = other.HTTP // a route without the program's port is none
	default:
		http := *s.HTTP
		http.InternalPort = other.HTTP.InternalPort
		s.HTTP = &http
	}
}
