package systemd

import (
	"maps"
	"reflect"
	"slices"
	"sync"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// rendered remembers the last text of each unit: a pass that changes nothing asks for
// each of them again.
type rendered struct {
	mu   sync.Mutex
	last map[string]renderedUnit
}

type renderedUnit struct {
	spec    providers.UnitSpec
	version int
	unit    Unit
}

// render is Render, or what it gave for the same spec the last time.
func (c *rendered) render(spec providers.UnitSpec, o RenderOptions) (Unit, error) {
	name := v1.UnitName(spec.Service, spec.Slot)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.last[name]; ok && r.version == o.Version && reflect.DeepEqual(r.spec, spec) {
		return r.unit, nil
	}
	u, err := Render(spec, o)
	if err != nil {
		return Unit{}, err
	}
	if c.last == nil {
		c.last = map[string]renderedUnit{}
	}
	c.last[name] = renderedUnit{spec: keep(spec), version: o.Version, unit: u}
	return u, nil
}

// forget is for units that are removed.
func (c *rendered) forget(unit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.last, unit)
}

// keep copies what the caller may change later. The booleans behind pointers are copied,
// too, so that the comparison is with the values of then.
func keep(s providers.UnitSpec) providers.UnitSpec {
	r := *s.Release
	r.Env = maps.Clone(r.Env)
	r.Exec.Command, r.Exec.Args = slices.Clone(r.Exec.Command), slices.Clone(r.Exec.Args)
	r.Systemd.After, r.Systemd.Requires = slices.Clone(r.Systemd.After), slices.Clone(r.Systemd.Requires)
	r.Hardening.Allow = slices.Clone(r.Hardening.Allow)
	r.Hardening.DynamicUser, r.Hardening.PrivateTmp = copied(r.Hardening.DynamicUser), copied(r.Hardening.PrivateTmp)
	s.Release = &r
	return s
}

func copied(b *bool) *bool {
	if b == nil {
		return nil
	}
	v := *b
	return &v
}
