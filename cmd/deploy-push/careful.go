package main

import (
	"context"
	"fmt"

	"deployer/cmd/internal/cli"
	"deployer/controllers/cache"
	"deployer/providers"
)

// careful announces a push to collections of the cache before the cache is asked what it
// has: what is there then stays until the manifest names it.
type careful struct {
	providers.Publisher
	objects providers.Objects
	service string
	// line tells people that a collection has to end first.
	line      func(string)
	announced *cache.Announcement
}

// Publish announces, once, and then publishes.
func (p *careful) Publish(ctx context.Context, r providers.PublishRequest) (providers.Published, error) {
	if p.announced == nil {
		announced, err := cache.Announce(ctx, cache.AnnounceOptions{
			Objects: p.objects, By: cli.Who(), What: "pushing " + p.service, Waiting: p.line,
		})
		if err != nil {
			return providers.Published{}, fmt.Errorf("keeping collections of the cache away: %w", err)
		}
		p.announced = announced
	}
	return p.Publisher.Publish(ctx, r)
}

// valid is an error when a collection may have run since: then the manifest must not name
// what was published. A trial has none to announce, and nothing to lose.
func (p *careful) valid() error {
	if p == nil || p.announced == nil {
		return nil
	}
	return p.announced.Valid()
}

// done lets collections go on: the manifest names what was published, or never will.
func (p *careful) done(ctx context.Context) {
	if p.announced != nil {
		p.announced.Done(ctx)
		p.announced = nil
	}
}
