package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

const (
	reportPrefix = "status/"
	maxReport    = 16 << 20
)

// storePaths finds every store path in a report, wherever it stands: a field that a newer
// daemon adds keeps its path, too.
var storePaths = regexp.MustCompile(`/nix/store/[0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+._?=-]+`)

// hostReport is what a host says that it has in use.
type hostReport struct {
	host string
	at   time.Time
	// paths and revisions of releases, good ones that it keeps among them.
	paths, revisions []string
}

// reports reads what every host last said. One that cannot be read stops the collection:
// nobody knows what that host needs.
func reports(ctx context.Context, objects providers.Objects, ignore []string) ([]hostReport, error) {
	listed, err := objects.List(ctx, reportPrefix)
	if err != nil {
		return nil, fmt.Errorf("looking for the reports of hosts: %w", err)
	}
	var out []hostReport
	for _, o := range listed {
		host, isReport := strings.CutSuffix(strings.TrimPrefix(o.Key, reportPrefix), ".json")
		if !isReport || strings.Contains(host, "/") || slices.Contains(ignore, host) {
			continue
		}
		r, err := readReport(ctx, objects, o.Key, host)
		switch {
		case errors.Is(err, providers.ErrNotFound):
			continue // deleted since it was listed: the host is no more
		case err != nil:
			return nil, &providers.Fault{
				Reason: "ReportUnreadable", Err: err,
				Message: fmt.Sprintf("the report of %s cannot be read, so nobody knows what it needs; if the host is gone, delete %s from the store, or say --ignore-report %s",
					host, o.Key, host),
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func readReport(ctx context.Context, objects providers.Objects, key, host string) (hostReport, error) {
	object, err := objects.Get(ctx, key, providers.GetOptions{MaxBytes: maxReport})
	if err != nil {
		return hostReport{}, err
	}
	defer object.Body.Close()
	data, err := io.ReadAll(object.Body)
	if err != nil {
		return hostReport{}, err
	}
	var state v1.HostState
	switch err := json.Unmarshal(data, &state); {
	case err != nil:
		return hostReport{}, err
	case state.Kind != v1.KindHostState || state.APIVersion != v1.APIVersion:
		return hostReport{}, fmt.Errorf("it is a %q of %q, not a %s of %s", state.Kind, state.APIVersion, v1.KindHostState, v1.APIVersion)
	case state.Host != host:
		return hostReport{}, fmt.Errorf("it is the report of %q", state.Host)
	}
	r := hostReport{host: host, at: state.UpdatedAt, paths: storePaths.FindAllString(string(data), -1)}
	for _, s := range state.Services {
		r.revisions = append(r.revisions, revisions(s)...)
	}
	return r, nil
}

// revisions of what the service's slots run, and of the good releases that it can go back
// to: of these a report names the instance, and no path.
func revisions(s v1.ServiceState) []string {
	var out []string
	add := func(instance string) {
		if revision, _, ok := strings.Cut(instance, "-"); ok {
			out = append(out, revision)
		}
	}
	for _, slot := range s.Slots {
		add(slot.Instance)
	}
	for _, v := range s.Verdicts {
		if v.Result == v1.VerdictSoaked {
			add(v.Instance)
		}
	}
	for _, t := range []v1.Target{s.Desired, s.Serving} {
		out = append(out, t.Revision)
	}
	return out
}
