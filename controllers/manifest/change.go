package manifest

import (
	"fmt"
	"slices"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// The functions of this file are what an Edit does to the manifest. They know no store,
// and may be applied again to a newer manifest after a lost race. They expect that the
// manifest has its new generation already, as Edit gives it.

// UnknownServiceError is a name that the manifest does not list.
type UnknownServiceError struct {
	Name string
	// Known are the names that it lists.
	Known []string
}

// Error says which services there are.
func (e *UnknownServiceError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("the manifest has no service %s, nor any other: `deploy-manifest add-service` adds one", e.Name)
	}
	const most = 20
	names := strings.Join(e.Known[:min(most, len(e.Known))], ", ")
	if len(e.Known) > most {
		names += ", …"
	}
	return fmt.Sprintf("the manifest has no service %s; it has %s", e.Name, names)
}

// Find is the service of that name, to read or to edit; an UnknownServiceError when there
// is none.
func Find(m *v1.Manifest, name string) (*v1.Service, error) {
	if s := m.Service(name); s != nil {
		return s, nil
	}
	known := make([]string, 0, len(m.Services))
	for _, s := range m.Services {
		known = append(known, s.Name)
	}
	slices.Sort(known)
	return nil, &UnknownServiceError{Name: name, Known: known}
}

// SetRelease names the store path that the service is to run. The commit and the demanded
// NAR hash of another path go with it: they would tell a lie about the new one.
func SetRelease(s *v1.Service, storePath, commit string) {
	if s.Artifact == nil {
		s.Artifact = &v1.Artifact{}
	}
	if s.Artifact.StorePath != storePath {
		s.Artifact.StorePath, s.Artifact.NarHash, s.Commit = storePath, "", ""
	}
	if commit != "" {
		s.Commit = commit
	}
}

// Put adds a service or takes the place of the one with its name. A service that was to
// be removed is wanted again.
func Put(m *v1.Manifest, s v1.Service) {
	m.Removed = slices.DeleteFunc(slices.Clone(m.Removed), func(r v1.Removal) bool { return r.Name == s.Name })
	if there := m.Service(s.Name); there != nil {
		*there = s.Clone()
		return
	}
	m.Services = append(m.Services, s.Clone())
}

// Remove takes a service off the list and says to all hosts that it is to go. A name that
// the manifest does not list may still run on some host: there it goes, too.
func Remove(m *v1.Manifest, name, by string) error {
	if s := m.Service(name); s != nil && s.Protect {
		return protected(name, "this would take it down")
	}
	m.Services = slices.DeleteFunc(slices.Clone(m.Services), func(s v1.Service) bool { return s.Name == name })
	if !m.IsRemoved(name) {
		m.Removed = append(slices.Clone(m.Removed), v1.Removal{Name: name, Generation: m.Generation, By: by})
	}
	return nil
}

func protected(name, what string) error {
	return &providers.Fault{
		Reason:  "Protected",
		Message: fmt.Sprintf("%s is protected and %s, so nothing was written; `deploy-manifest set %s protect=false` first", name, what, name),
	}
}

// Restore makes the services what an older version had. What that one did not have is
// removed, and what comes back is wanted again; lineage, generation and expiry go on.
func Restore(m, old *v1.Manifest, by string) error {
	for _, s := range m.Clone().Services {
		if old.Service(s.Name) != nil {
			continue
		}
		if err := Remove(m, s.Name, by); err != nil {
			return err
		}
	}
	m.Services = nil
	for _, s := range old.Services {
		Put(m, s)
	}
	return nil
}

// ApplyOptions say how far Apply goes.
type ApplyOptions struct {
	By string
	// Prune also removes what the file does not list.
	Prune bool
}

// Apply brings a file's services into the manifest: new ones are added, those of a known
// name replaced. A service without a release in the file keeps the one it has, so that a
// file in version control need not follow every push. What the file lists in removed goes.
func Apply(m, file *v1.Manifest, o ApplyOptions) error {
	for _, s := range file.Services {
		if there := m.Service(s.Name); there != nil && !s.HasRelease() {
			s = s.Clone()
			s.Artifact, s.Commit = there.Clone().Artifact, there.Commit
		}
		Put(m, s)
	}
	for _, r := range file.Removed {
		if m.Service(r.Name) != nil && r.Generation != 0 {
			return &providers.Fault{
				Reason: "RemovalOutdated",
				Message: fmt.Sprintf("removed in the file has %s of generation %d, but %s was added again since; "+
					"take that line out, or leave only its name if it is to go", r.Name, r.Generation, r.Name),
			}
		}
		if err := Remove(m, r.Name, o.By); err != nil {
			return err
		}
	}
	if !o.Prune {
		return nil
	}
	for _, s := range m.Clone().Services {
		if file.Service(s.Name) != nil {
			continue
		}
		if err := Remove(m, s.Name, o.By); err != nil {
			return err
		}
	}
	return nil
}
