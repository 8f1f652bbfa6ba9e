package cache

import (
	"context"
	"time"

	"deployer/providers"
)

// AnnounceOptions say who relies on the cache, and for what. Objects is required.
type AnnounceOptions struct {
	Objects providers.Objects
	By      string
	// What is for people: "pushing web".
	What string
	// Waiting is told, once, when a collection is at work that has to end first. May be nil.
	Waiting func(message string)
	Now     func() time.Time
	// Poll is how often to look for the end of a collection. Default 1 s.
	Poll time.Duration
}

// Announcement keeps collections from deleting anything until Done.
type Announcement struct{ claim *claim }

// Announce says that somebody is about to rely on what the cache has: call it before the
// cache is asked what it has, and Done after the manifest is written. It returns when no
// collection is at work, and none will delete anything before Done.
func Announce(ctx context.Context, o AnnounceOptions) (*Announcement, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	c, err := stake(ctx, o.Objects, pushPrefix, note{By: o.By, What: o.What}, o.Now)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		collectors, _, err := c.others(ctx, collectPrefix)
		switch {
		case err != nil:
			c.release(ctx)
			return nil, err
		case len(collectors) == 0:
			return &Announcement{claim: c}, nil
		}
		if who := c.describe(ctx, collectors[0].Key); who != "" && !told && o.Waiting != nil {
			told = true
			o.Waiting("waiting for the end of a collection of the cache by " + who)
		}
		select {
		case <-ctx.Done():
			c.release(ctx)
			return nil, context.Cause(ctx)
		case <-time.After(o.Poll):
		}
	}
}

// Valid is an error when the announcement may have lapsed: call it right before the write
// that relies on it.
func (a *Announcement) Valid() error { return a.claim.fresh() }

// Done lets collections go on.
func (a *Announcement) Done(ctx context.Context) { a.claim.release(ctx) }
