package cache

import (
	"context"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Options of a collection. Objects, Index and Kept are required.
type Options struct {
	Objects providers.Objects
	Index   providers.CacheIndex
	// Kept gives the manifests whose releases stay, for a store that says that it is now.
	Kept func(ctx context.Context, now time.Time) ([]*v1.Manifest, error)
	// Releases gives the store path of each revision that is known, for reports of hosts
	// name some by revision only. Nil: none is known.
	Releases func(ctx context.Context) (map[string]string, error)
	// IgnoreReports names hosts whose reports count for nothing.
	IgnoreReports []string
	// Grace is how long something must have been needed by nothing.
	Grace time.Duration
	// DryRun decides everything and writes nothing.
	DryRun bool
	By     string
	Now    func() time.Time
}

// Report is what a collection found and did.
type Report struct {
	DryRun bool `json:"dryRun,omitempty"`
	// Manifests and Hosts are what was asked what it needs.
	Manifests int      `json:"manifests"`
	Hosts     []string `json:"hosts"`
	// KeptPaths and KeptBytes are what they need and the cache has.
	KeptPaths int   `json:"keptPaths"`
	KeptBytes int64 `json:"keptBytes"`
	// Missing are the objects about paths that are needed, and that the cache has not.
	Missing []string `json:"missing,omitempty"`
	// Deleted is what was deleted, or what would be.
	Deleted []Candidate `json:"deleted"`
	// Waiting is needed by nothing, and its grace period is not over.
	Waiting []Candidate `json:"waiting"`
	// Postponed says why nothing was deleted although something was due.
	Postponed string `json:"postponed,omitempty"`
	// NextAt is when the first of Waiting may be deleted.
	NextAt time.Time `json:"nextAt,omitzero"`
}

// Collect is one collection. With an error the Report tells what was done until then.
func Collect(ctx context.Context, o Options) (Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &collector{Options: o, report: Report{DryRun: o.DryRun, Hosts: []string{}, Deleted: []Candidate{}, Waiting: []Candidate{}}}
	if o.DryRun {
		err := c.decide(ctx, o.Now().UTC())
		if err == nil {
			c.tell(c.plan.doomed)
		}
		return c.report, err
	}
	claim, err := stake(ctx, o.Objects, collectPrefix, note{By: o.By, What: "collecting"}, o.Now)
	if err != nil {
		return c.report, err
	}
	defer claim.release(ctx)
	c.claim = claim
	err = c.run(ctx)
	return c.report, err
}

type collector struct {
	Options
	claim  *claim
	report Report
	plan   plan
	items  *inventory
	list   *candidates
}

// run is a collection that writes.
func (c *collector) run(ctx context.Context) error {
	others, now, err := c.claim.others(ctx, claimPrefix)
	if err != nil {
		return err
	}
	for _, o := range others {
		who := c.claim.describe(ctx, o.Key)
		if isCollection(o.Key) {
			return running(who)
		}
		c.report.Postponed = "the cache is in use by " + who
	}
	if err := c.decide(ctx, now.UTC()); err != nil {
		return err
	}
	c.list.List = c.plan.sorted(func(string) bool { return true })
	if err := c.list.save(ctx, c.Objects); err != nil {
		return err
	}
	if c.report.Postponed == "" {
		return c.sweep(ctx)
	}
	if len(c.plan.entries)+len(c.plan.contents) == 0 {
		c.report.Postponed = "" // there was nothing to postpone
	}
	c.tell(nothing)
	return nil
}

// decide reads everything and works out what is to be deleted.
func (c *collector) decide(ctx context.Context, now time.Time) error {
	roots, err := c.roots(ctx, now)
	if err != nil {
		return err
	}
	if c.items, err = takeInventory(ctx, c.Objects, c.Index); err != nil {
		return err
	}
	if len(roots) == 0 && len(c.items.entries) > 0 {
		return &providers.Fault{
			Reason: "NothingKept",
			Message: "no kept version of the manifest and no host names any release, so all of the cache would go; " +
				"that is more often a mistake than a wish, and nothing was deleted",
		}
	}
	if c.list, err = loadCandidates(ctx, c.Objects); err != nil {
		return err
	}
	c.plan = decide(c.items, roots, c.list.byKey(), now, c.Grace)
	for key := range c.plan.live {
		if e := c.items.entries[key]; e.Problem != "" {
			return &providers.Fault{
				Reason: "CacheDamaged",
				Message: "the cache is damaged where a kept release needs it, so nobody knows what else is needed: " + e.Problem +
					"; push that release again, or delete the object from the store",
			}
		}
	}
	return nil
}
