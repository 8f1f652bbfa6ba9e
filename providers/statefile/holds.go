package statefile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Holds have a file of their own: who loses state.json loses a report, and must not lose
// the word of a person. It is written through to the disk.

// Holds lists the holds of this host by service, lapsed ones included. A file that cannot
// be understood is moved aside: then there are none, and the error says so.
func (f *Files) Holds(ctx context.Context) (map[string]v1.Hold, error) {
	holds, err := f.Reader.Holds(ctx)
	return holds, f.asideIfBroken(fileHolds, err)
}

// Holds lists them; none when there is no file.
func (r Reader) Holds(context.Context) (map[string]v1.Hold, error) {
	holds := map[string]v1.Hold{}
	err := r.decode(fileHolds, &holds)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return holds, nil
	case err != nil:
		return map[string]v1.Hold{}, err
	case holds == nil:
		return map[string]v1.Hold{}, fmt.Errorf("reading %s: it has no object: %w", fileHolds, errBroken)
	}
	return holds, nil
}

// SaveHold sets the hold of a service; nil takes it away. It is durable when SaveHold returns.
func (f *Files) SaveHold(ctx context.Context, service string, h *v1.Hold) error {
	f.holding.Lock()
	defer f.holding.Unlock()
	holds, err := f.Holds(ctx)
	if err != nil && !errors.Is(err, providers.ErrNotFound) {
		return err
	}
	if h == nil {
		delete(holds, service)
	} else {
		holds[service] = *h
	}
	data, err := json.MarshalIndent(holds, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", fileHolds, err)
	}
	return f.save(fileHolds, append(data, '\n'), 0o644)
}
