package manifest

import (
	"context"

	"deployer/reconcile"
)

// enqueueAll asks for a pass of everything that is wanted or there.
func (s *Source) enqueueAll(ctx context.Context, q reconcile.Queue) error {
	names, err := s.AllNames(ctx)
	for _, name := range names {
		q.Enqueue(name)
	}
	return err
}

// AllNames are the names in the manifest and on the host, each once.
func (s *Source) AllNames(ctx context.Context) ([]string, error) {
	seen := map[string]bool{}
	var out []string
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	s.mu.Lock()
	for name := range s.assignments {
		add(name)
	}
	s.mu.Unlock()
	if s.o.Names == nil {
		return out, nil
	}
	there, err := s.o.Names(ctx)
	for _, name := range there {
		add(name)
	}
	return out, err
}
