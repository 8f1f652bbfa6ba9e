package controllers

import (
	"context"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// What this host shares with others: its report, its word to people, and what it hears.

// mayReport: the configuration wants this host's report in the store. If not, status says so.
func (s *Set) mayReport() bool {
	if s.options.Objects == nil {
		return false
	}
	if s.options.Silent {
		s.Board.Reported(&providers.Fault{
			Reason:  "SwitchedOff",
			Message: "this host writes no report, because its configuration says `report: false`; `deploy-manifest status` knows nothing of it",
		})
	}
	return !s.options.Silent
}

// askFleet: a host that has no store to hear the others in asks nobody.
func (s *Set) askFleet(ctx context.Context, name, revision string) error {
	if s.options.Objects == nil {
		return nil
	}
	return s.neighbours.admit(ctx, name, revision)
}

// reported takes the state of a service to all who want to know.
func (s *Set) reported(name string, st v1.ServiceState) {
	s.Board.Service(name, st)
	s.notifier.Service(st)
}

func (s *Set) gone(name string) {
	s.Board.Gone(name)
	s.notifier.Gone(name)
}
