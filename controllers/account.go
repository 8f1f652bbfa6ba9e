package controllers

import (
	"context"
	"slices"

	v1 "deployer/api/v1"
	"deployer/controllers/tell"
)

// What people ask of the past of a service.

// History lists the deployments of a service on this host, newest first.
func (s *Set) History(ctx context.Context, service string) ([]v1.Deployment, error) {
	return s.options.Host.History.Deployments(ctx, service)
}

// Why gathers all that this host knows of a service and how it came to be so; tell.Why puts
// it into words. What cannot be read is left out: half an answer is better than none.
func (s *Set) Why(ctx context.Context, service string) tell.Facts {
	host := s.Board.Snapshot()
	f := tell.Facts{Service: service, Host: host.Host, Manifest: tell.HeadOf(host, s.Source.Manifest(), service)}
	i := slices.IndexFunc(host.Services, func(st v1.ServiceState) bool { return st.Name == service })
	if i >= 0 {
		f.State = &host.Services[i]
	}
	f.HostHold = s.held(service)
	releases, releasesErr := s.options.Host.Releases.Observe(ctx, service)
	if releasesErr == nil {
		f.Verdicts = tell.Verdicts(releases.Staged)
	}
	var deploymentsErr, eventsErr error
	f.Deployments, deploymentsErr = s.options.Host.History.Deployments(ctx, service)
	f.Events, eventsErr = s.options.Host.States.Events(ctx, service)
	for _, err := range []error{releasesErr, deploymentsErr, eventsErr} {
		if err != nil {
			f.Missing = append(f.Missing, err.Error())
		}
	}
	return f
}
