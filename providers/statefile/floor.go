package statefile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"deployer/providers"
	"deployer/providers/internal/durable"
)

// Floor gives the highest generation seen; the zero Floor when none was. A floor that
// cannot be understood is moved aside and taken from state.json, if that is whole.
func (f *Files) Floor(ctx context.Context) (providers.Floor, error) {
	var floor providers.Floor
	err := f.decode(fileFloor, &floor)
	// The zero Floor is never written: it would obey anything.
	if err == nil && (floor.Generation < 0 || floor == providers.Floor{}) {
		err = fmt.Errorf("reading %s: no floor: %w", fileFloor, errBroken)
	}
	if errors.Is(err, providers.ErrNotFound) {
		return providers.Floor{}, nil
	}
	if !errors.Is(err, errBroken) {
		return floor, err
	}
	if err := f.asideIfBroken(fileFloor, err); !errors.Is(err, providers.ErrNotFound) {
		return providers.Floor{}, err
	}
	s, err := f.Reader.LoadState(ctx)
	if err != nil || s.Lineage == "" {
		return providers.Floor{}, nil //nolint:nilerr // a state that is lost, too, must not keep the daemon from starting
	}
	floor = providers.Floor{Lineage: s.Lineage, Generation: s.ObservedGeneration}
	// Where even that cannot be written, the next RaiseFloor will say so.
	_ = f.writeFloor(floor)
	return floor, nil
}

// RaiseFloor makes a floor durable. Within a lineage it never goes down.
func (f *Files) RaiseFloor(ctx context.Context, to providers.Floor) error {
	have, err := f.Floor(ctx)
	if err != nil {
		return err
	}
	if have == to || have.Lineage == to.Lineage && have.Generation > to.Generation {
		return nil
	}
	return f.writeFloor(to)
}

func (f *Files) writeFloor(floor providers.Floor) error {
	data, err := json.Marshal(floor)
	if err != nil {
		return fmt.Errorf("writing %s: %w", fileFloor, err)
	}
	return f.save(fileFloor, append(data, '\n'), 0o644)
}

// HostName gives the name that was pinned by the first call; a renamed machine keeps
// its services until somebody decides.
func (f *Files) HostName(_ context.Context, current string) (string, error) {
	data, err := f.read(fileHostName)
	name := strings.TrimSuffix(string(data), "\n")
	if err == nil && !plain(name) {
		err = fmt.Errorf("reading %s: %w", fileHostName, errBroken)
	}
	err = f.asideIfBroken(fileHostName, err)
	switch {
	case err == nil:
		return name, nil
	case !errors.Is(err, providers.ErrNotFound):
		return "", err
	case !plain(current):
		return "", fmt.Errorf("pinning the host's name: %q is not a host name", current)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := durable.WriteFile(f.root, fileHostName, []byte(current+"\n"), 0o644); err != nil {
		return "", unavailable("pinning the host's name", err)
	}
	return current, nil
}

// plain: one word that people can read.
func plain(name string) bool {
	const longest = 253
	return name != "" && len(name) <= longest &&
		!strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}
