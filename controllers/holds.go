package controllers

import (
	"context"
	"sync"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// holds are the pauses that were set on this host, in memory, for every pass asks.
type holds struct {
	store providers.Holds
	// saving keeps a write to the disk and the one to memory together.
	saving sync.Mutex

	mu  sync.Mutex
	all map[string]v1.Hold
}

// load reads them from the disk. What cannot be read leaves those that were known.
func (h *holds) load(ctx context.Context) error {
	h.saving.Lock()
	defer h.saving.Unlock()
	all, err := h.store.Holds(ctx)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = all
	return nil
}

// of is the hold of a service, lapsed or not; nil when there is none.
func (h *holds) of(service string) *v1.Hold {
	h.mu.Lock()
	defer h.mu.Unlock()
	if hold, ok := h.all[service]; ok {
		return &hold
	}
	return nil
}

// set makes a hold durable, and then lets it count; nil takes it away.
func (h *holds) set(ctx context.Context, service string, hold *v1.Hold) error {
	h.saving.Lock()
	defer h.saving.Unlock()
	if err := h.store.SaveHold(ctx, service, hold); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[string]v1.Hold{}
	}
	delete(h.all, service)
	if hold != nil {
		h.all[service] = *hold
	}
	return nil
}
