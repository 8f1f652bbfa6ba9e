package cache

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"deployer/providers"
)

const (
	claimPrefix   = "gc/claims/"
	pushPrefix    = claimPrefix + "push-"
	collectPrefix = claimPrefix + "collect-"
	// claimLife is when a claim that was not renewed is that of somebody who died.
	claimLife = 10 * time.Minute
	// renewal leaves room for a store that gives no answer for a while.
	renewal = claimLife / 10
	cleanup = 10 * time.Second
)

// note is what a claim says, for people.
type note struct {
	By    string    `json:"by"`
	What  string    `json:"what,omitempty"`
	Since time.Time `json:"since"`
}

// claim is an object in the store that says that somebody is at work. It is renewed until
// it is released.
type claim struct {
	objects providers.Objects
	key     string
	body    []byte
	now     func() time.Time
	stop    context.CancelFunc
	renewer sync.WaitGroup

	mu sync.Mutex
	// renewed is by our own clock, with its jumps: after a sleep a claim is old.
	renewed time.Time
}

// stake writes a claim, and keeps it fresh from then on.
func stake(ctx context.Context, objects providers.Objects, prefix string, n note, now func() time.Time) (*claim, error) {
	n.Since = now().UTC().Truncate(time.Second)
	body, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("writing a claim: %w", err)
	}
	c := &claim{objects: objects, key: prefix + strings.ToLower(rand.Text()) + ".json", body: body, now: now}
	if err := c.renew(ctx); err != nil {
		c.stop = func() {}
		c.release(ctx)
		return nil, err
	}
	ctx, c.stop = context.WithCancel(ctx)
	c.renewer.Go(func() {
		ticker := time.NewTicker(renewal)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				_ = c.renew(ctx) // fresh tells when it was in vain for too long
			}
		}
	})
	return c, nil
}

func (c *claim) renew(ctx context.Context) error {
	at := c.now().Round(0) // before it is written: that is when it may be seen first
	_, err := c.objects.Put(ctx, c.key, bytes.NewReader(c.body), providers.PutOptions{ContentType: "application/json"})
	if err != nil {
		return err // it names the key
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewed = at
	return nil
}

// fresh is an error when others may have taken the claim for that of a dead one.
func (c *claim) fresh() error {
	c.mu.Lock()
	age := c.now().Round(0).Sub(c.renewed)
	c.mu.Unlock()
	if age > claimLife/2 || age < -claimLife/2 {
		return &providers.Fault{
			Reason:  "ClaimLapsed",
			Message: "this machine slept, or the store gave no answer, for so long that others do not wait for it any more; run it again",
		}
	}
	return nil
}

// release takes the claim away, also when the caller was interrupted.
func (c *claim) release(ctx context.Context) {
	c.stop()
	c.renewer.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	_ = c.objects.Delete(ctx, c.key)
}

// others lists the claims of the living below the prefix, but for this one, and the store's
// own time, by which they live: ours has just been renewed. What the dead left is deleted.
func (c *claim) others(ctx context.Context, prefix string) (list []providers.ObjectInfo, now time.Time, err error) {
	if err := c.renew(ctx); err != nil {
		return nil, now, err
	}
	all, err := c.objects.List(ctx, claimPrefix)
	if err != nil {
		return nil, now, fmt.Errorf("looking for others at work: %w", err)
	}
	for _, o := range all {
		if o.ModifiedAt.After(now) {
			now = o.ModifiedAt
		}
	}
	for _, o := range all {
		switch dead := now.Sub(o.ModifiedAt) > claimLife; {
		case dead:
			_ = c.objects.Delete(ctx, o.Key)
		case o.Key != c.key && strings.HasPrefix(o.Key, prefix):
			list = append(list, o)
		}
	}
	return list, now, nil
}

// describe says whose claim it is; empty when it is gone.
func (c *claim) describe(ctx context.Context, key string) string {
	object, err := c.objects.Get(ctx, key, providers.GetOptions{MaxBytes: 1 << 16})
	if err != nil {
		if errors.Is(err, providers.ErrNotFound) {
			return ""
		}
		return "somebody"
	}
	defer object.Body.Close()
	var n note
	data, err := io.ReadAll(object.Body)
	if err != nil || json.Unmarshal(data, &n) != nil || n.By == "" {
		return "somebody"
	}
	return fmt.Sprintf("%s (%s, since %s)", n.By, n.What, n.Since.UTC().Format("15:04:05Z"))
}
