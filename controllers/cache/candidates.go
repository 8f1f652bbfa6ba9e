package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"deployer/providers"
)

const (
	candidatesKey = "gc/candidates.json"
	// maxCandidates is the size of a list of a million of them.
	maxCandidates = 256 << 20
)

// candidates is the list between two collections.
type candidates struct {
	Version int         `json:"version"`
	List    []Candidate `json:"candidates"`
	// etag is that of the list that was read; empty when there was none.
	etag string
}

// loadCandidates reads the list. One that is missing or damaged is an empty one: everything
// then begins its grace period anew.
func loadCandidates(ctx context.Context, objects providers.Objects) (*candidates, error) {
	object, err := objects.Get(ctx, candidatesKey, providers.GetOptions{MaxBytes: maxCandidates})
	if errors.Is(err, providers.ErrNotFound) {
		return &candidates{Version: 1}, nil
	}
	if err != nil {
		return nil, err
	}
	defer object.Body.Close()
	data, err := io.ReadAll(object.Body)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", candidatesKey, err)
	}
	var c candidates
	if json.Unmarshal(data, &c) != nil || c.Version != 1 {
		c.List = nil
	}
	return &candidates{Version: 1, List: c.List, etag: object.ETag}, nil
}

func (c *candidates) byKey() map[string]Candidate {
	out := make(map[string]Candidate, len(c.List))
	for _, one := range c.List {
		out[one.Key] = one
	}
	return out
}

// save puts the list in the place of the one that was read. Another collection that did so
// meanwhile is a conflict.
func (c *candidates) save(ctx context.Context, objects providers.Objects) error {
	data, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", candidatesKey, err)
	}
	o := providers.PutOptions{ContentType: "application/json", IfMatch: c.etag, IfAbsent: c.etag == ""}
	info, err := objects.Put(ctx, candidatesKey, bytes.NewReader(append(data, '\n')), o)
	if errors.Is(err, providers.ErrConflict) {
		return running("somebody")
	}
	c.etag = info.ETag
	return err
}

func running(who string) error {
	return &providers.Fault{
		Reason: "CollectionRunning", Err: providers.ErrConflict,
		Message: "another collection is at work, by " + who + "; run this one again when that one is done",
	}
}
