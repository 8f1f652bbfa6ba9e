package manifest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// guardProtected refuses a manifest that takes a service off this host which the one in
// force protects, unless somebody took the protection away in a write of its own before
// that. deploy-manifest never writes such a one: it comes from a hand, or from another tool.
//
// This host may have missed the writes in between, so it asks the archive: what counts is
// the newest version that still has the service here.
func (s *Source) guardProtected(ctx context.Context, inForce, read *Snapshot) error {
	if inForce == nil || read.Hash == s.adopted || inForce.Manifest.Lineage != read.Manifest.Lineage {
		return nil
	}
	taken := takenOff(s.o.Host, inForce.Manifest, read.Manifest)
	if len(taken) == 0 {
		return nil
	}
	still, err := s.stillProtected(ctx, taken, inForce.Manifest.Generation)
	if err != nil {
		return fmt.Errorf("asking the archive whether %s may be taken down: %w", strings.Join(taken, ", "), err)
	}
	if len(still) == 0 {
		return nil
	}
	names := strings.Join(still, ", ")
	return &refusal{&providers.Fault{
		Reason: "Protected",
		Message: fmt.Sprintf("generation %d in the store takes %s off this host, but it is protected, and nobody took that away first; "+
			"this host goes on with generation %d: bring it back with `deploy-manifest rollback`, and to take it down begin with "+
			"`deploy-manifest set %s protect=false`; if it is meant as it is, run `deployerctl adopt` here",
			read.Manifest.Generation, names, inForce.Manifest.Generation, still[0]),
	}}
}

// takenOff names the services that before protects on the host and after takes down there.
// One that after does not mention at all stays.
func takenOff(host string, before, after *v1.Manifest) []string {
	var out []string
	for _, s := range before.Services {
		if !s.Protect || !s.RunsOn(host) {
			continue
		}
		now := after.Service(s.Name)
		if now != nil && !now.RunsOn(host) || now == nil && after.IsRemoved(s.Name) {
			out = append(out, s.Name)
		}
	}
	return out
}

// stillProtected asks the versions after a generation, newest first, about services: the
// first one that has a service on this host decides. Without any it is the version in
// force, which protects it.
func (s *Source) stillProtected(ctx context.Context, services []string, after int64) ([]string, error) {
	archives, err := s.o.Repository.Archives(ctx)
	if err != nil {
		return nil, err
	}
	decided := map[string]bool{}
	var still []string
	for _, name := range archives {
		m, err := s.o.Repository.ReadArchive(ctx, name)
		var invalid *InvalidError
		switch {
		case errors.As(err, &invalid):
			continue // it decides nothing
		case err != nil:
			return nil, err
		case m.Generation <= after:
			return append(still, undecided(services, decided)...), nil
		}
		for _, service := range undecided(services, decided) {
			was := m.Service(service)
			if was == nil || !was.RunsOn(s.o.Host) {
				continue
			}
			if decided[service] = true; was.Protect {
				still = append(still, service)
			}
		}
		if len(decided) == len(services) {
			return still, nil
		}
	}
	return append(still, undecided(services, decided)...), nil
}

func undecided(services []string, decided map[string]bool) []string {
	var out []string
	for _, service := range services {
		if !decided[service] {
			out = append(out, service)
		}
	}
	return out
}
