package manifest

import (
	"context"
	"errors"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// HistoryOptions narrow a History.
type HistoryOptions struct {
	// Service: only the versions that changed it.
	Service string
	// Limit is the number of entries wanted; 0 is all.
	Limit int
}

// Entry is a version in the history.
type Entry struct {
	Generation int64 `json:"generation"`
	// Archive is the name that list prints; empty for the one in force.
	Archive string    `json:"archive,omitempty"`
	InForce bool      `json:"inForce,omitempty"`
	At      time.Time `json:"updatedAt,omitzero"`
	By      string    `json:"updatedBy,omitempty"`
	Message string    `json:"message,omitempty"`
	// Changes are those since the version before.
	Changes []ServiceChange `json:"changes"`
	// Since is the generation that Changes compare with, when the version right before is
	// in the archive no more.
	Since int64 `json:"since,omitempty"`
	// Unknown: the version right before and all older ones are in the archive no more, so
	// that nobody knows what it changed.
	Unknown bool `json:"changesUnknown,omitempty"`
	// Release is what the service of HistoryOptions was then; empty when it was none.
	Release *v1.Target `json:"release,omitempty"`
	// Problem is why the version cannot be read.
	Problem string `json:"problem,omitempty"`
}

// spare is how many more versions than wanted are read, for the clocks of writers, which
// the names follow, may differ, and for what the last one is compared with.
const spare = readers

// History lists the versions, newest first, with what each changed. It reads no more of
// the archive than it needs, many at once.
func (r *Repository) History(ctx context.Context, o HistoryOptions) ([]Entry, error) {
	now, err := r.inForce(ctx)
	if err != nil {
		return nil, err
	}
	names, err := r.Archives(ctx)
	if err != nil {
		return nil, err
	}
	if now == nil && len(names) == 0 {
		return nil, r.explainMissing(ctx, providers.ErrNotFound)
	}
	for wanted := o.Limit + spare; ; wanted *= 2 {
		if o.Limit == 0 || wanted > len(names) {
			wanted = len(names)
		}
		versions, err := r.Versions(ctx, names[:wanted])
		if err != nil {
			return nil, err
		}
		t := timeline{versions: inOrder(now, versions), whole: wanted == len(names)}
		entries := t.entries(o.Service)
		switch {
		case o.Limit > 0 && len(entries) >= o.Limit:
			return entries[:o.Limit], nil
		case t.whole:
			return entries, nil
		}
	}
}

// inForce is the version in force; nil when there is none.
func (r *Repository) inForce(ctx context.Context) (*Version, error) {
	s, err := r.ReadIfChanged(ctx, "")
	var invalid *InvalidError
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return nil, nil
	case errors.As(err, &invalid):
		return &Version{Err: err}, nil
	case err != nil:
		return nil, err
	}
	return &Version{Manifest: s.Manifest}, nil
}
