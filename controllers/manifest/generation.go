package manifest

import (
	"context"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// generation finds a generation of the lineage in force; of another one only when this
// one never had it.
func (r *Repository) generation(ctx context.Context, wanted int64) (*Version, error) {
	now, err := r.orLost(ctx)
	if err != nil {
		return nil, err
	}
	if now != nil && now.Generation == wanted {
		return &Version{Manifest: now}, nil
	}
	names, err := r.Archives(ctx)
	if err != nil {
		return nil, err
	}
	if v, err := r.guess(ctx, names, now, wanted); v != nil || err != nil {
		return v, err
	}
	all, err := r.Versions(ctx, names)
	if err != nil {
		return nil, err
	}
	return pick(all, now, wanted)
}

// guess looks where a generation should be, for names do not tell it: the archive has one
// version for each, newest first. It looks around there as well, as the clocks of writers
// differ. Nil when it is not there: then all are read.
func (r *Repository) guess(ctx context.Context, names []string, now *v1.Manifest, wanted int64) (*Version, error) {
	const tries = 3
	if now == nil || wanted == 0 || wanted > now.Generation {
		return nil, nil
	}
	at := now.Generation - 1 - wanted
	for range tries {
		if at < 0 || at >= int64(len(names)) {
			return nil, nil
		}
		from := max(at-readers/2, 0)
		near, err := r.Versions(ctx, names[from:min(at+readers/2, int64(len(names)))])
		if err != nil {
			return nil, err
		}
		for i := range near {
			if m := near[i].Manifest; m != nil && m.Lineage == now.Lineage && m.Generation == wanted {
				return &near[i], nil
			}
		}
		there := near[at-from].Manifest
		if there == nil || there.Lineage != now.Lineage {
			return nil, nil
		}
		at += there.Generation - wanted
	}
	return nil, nil
}

// pick chooses among all archived versions.
func pick(all []Version, now *v1.Manifest, wanted int64) (*Version, error) {
	var own, other []*Version
	lineage := ""
	if last := newestBelow(all, now); last != nil {
		lineage = last.Manifest.Lineage
	}
	for i := range all {
		switch m := all[i].Manifest; {
		case m == nil || m.Generation != wanted:
		case m.Lineage == lineage:
			own = append(own, &all[i])
		default:
			other = append(other, &all[i])
		}
	}
	if len(own) == 0 {
		own = other
	}
	switch {
	case len(own) == 0:
		return nil, noGeneration(fmt.Sprint(wanted), append(all, Version{Manifest: now}))
	case len(own) > 1:
		return nil, &providers.Fault{
			Reason: "GenerationAmbiguous",
			Message: fmt.Sprintf("there are %d archived versions of generation %d, %s and %s among them; say the name of the one you mean",
				len(own), wanted, own[0].Archive, own[1].Archive),
		}
	}
	return own[0], nil
}

// noGeneration says which ones there are.
func noGeneration(wanted string, all []Version) error {
	var low, high int64
	known := false
	for _, v := range all {
		if v.Manifest == nil {
			continue
		}
		if g := v.Manifest.Generation; !known {
			low, high, known = g, g, true
		} else {
			low, high = min(low, g), max(high, g)
		}
	}
	there := ""
	if known {
		there = fmt.Sprintf("; there are %d to %d", low, high)
	}
	return &providers.Fault{
		Reason: "GenerationMissing", Err: providers.ErrNotFound,
		Message: fmt.Sprintf("there is no generation %s in the archive%s: `deploy-manifest history -n 0` lists them", wanted, there),
	}
}
