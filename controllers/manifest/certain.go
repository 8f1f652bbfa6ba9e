package manifest

import (
	"fmt"
	"time"

	"deployer/providers"
)

// Certain is nil while what is in force is what the store has now, by an answer to this
// process that is not old: only then may anything be removed for being in no manifest.
// What was loaded from the disk is not certain, nor is anything while the store is away,
// has something that is not obeyed, or has a manifest that expired.
func (s *Source) Certain() error {
	status, problem := s.Status()
	now := s.o.Now()
	s.mu.Lock()
	inForce := s.inForce
	s.mu.Unlock()
	switch {
	case problem != nil:
		return fmt.Errorf("the manifest in force is not certain: %w", problem)
	case inForce == nil || status.LastRead.IsZero():
		return uncertain("the store has not been read yet")
	case status.StaleSince != nil:
		return uncertain("the store has not answered since " + status.StaleSince.Format(time.RFC3339))
	case now.Sub(status.LastRead) > s.certainFor():
		return uncertain("the store was last read at " + status.LastRead.Format(time.RFC3339))
	case inForce.Manifest.Expires != nil && now.After(*inForce.Manifest.Expires):
		return uncertain("it expired at " + inForce.Manifest.Expires.Format(time.RFC3339))
	}
	return nil
}

// certainFor is a few polls at their slowest.
func (s *Source) certainFor() time.Duration { return 3*s.o.Pace.Max + time.Minute }

func uncertain(why string) error {
	return &providers.Fault{
		Reason: "ManifestStale", Message: "the manifest in force is not certain: " + why, Err: providers.ErrUnavailable,
	}
}
