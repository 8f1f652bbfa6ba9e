package manifest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

type patience struct{ wait time.Duration }

func (patience) Error() string               { return "slow down" }
func (p patience) RetryAfter() time.Duration { return p.wait }

func TestPace(t *testing.T) {
	pace := DefaultPace()
	pace.Jitter = 0
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	var p pacer
	expect := func(want, got time.Duration) {
		t.Helper()
		if got != want {
			t.Errorf("wanted %v, got %v", want, got)
		}
	}
	expect(2*time.Second, p.next(pace, 1, nil, now))
	expect(2*time.Second, p.next(pace, 0, nil, now.Add(9*time.Minute)))
	later := now.Add(11 * time.Minute)
	expect(3*time.Second, p.next(pace, 0, nil, later))
	for range 10 {
		p.next(pace, 0, nil, later)
	}
	expect(15*time.Second, p.next(pace, 0, nil, later))
	expect(2*time.Second, p.next(pace, 1, nil, later))
	expect(3*time.Second, p.next(pace, 0, errors.New("away"), later))
	expect(time.Minute, p.next(pace, 0, fmt.Errorf("reading: %w", patience{time.Minute}), later))
	expect(longestPatience, p.next(pace, 0, patience{24 * time.Hour}, later))
	expect(2*time.Second, p.next(pace, 0, nil, later))
}

func TestJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 200 {
		var p pacer
		wait := p.next(DefaultPace(), 1, nil, time.Now())
		seen[wait] = true
		if wait < 1600*time.Millisecond || wait > 2400*time.Millisecond {
			t.Fatalf("%v is not 2 s ± 20 %%", wait)
		}
	}
	if len(seen) < 100 {
		t.Fatalf("hosts would meet: only %d different waits of 200", len(seen))
	}
}

// FuzzAccept: whatever comes, in whatever order, the generation in force never goes down
// within a lineage, and the lineage changes only by adopt.
func FuzzAccept(f *testing.F) {
	f.Add([]byte{1, 2, 3, 2, 1, 0x81, 0x82, 3})
	f.Add([]byte{0, 5, 4, 0x80, 0x85})
	f.Fuzz(func(t *testing.T, reads []byte) {
		var floor providers.Floor
		var inForce *Snapshot
		for i, b := range reads {
			// The first bit is the lineage, the next one the content, the rest the generation.
			read := snapshot(int64(b&0x3f), b&0x80 != 0, b&0x40 != 0)
			if accept(floor, inForce, read) != nil {
				continue
			}
			m := read.Manifest
			switch {
			case floor.Lineage != "" && m.Lineage != floor.Lineage:
				t.Fatalf("read %d: lineage %q after %q", i, m.Lineage, floor.Lineage)
			case m.Lineage == floor.Lineage && m.Generation < floor.Generation:
				t.Fatalf("read %d: generation %d after %d", i, m.Generation, floor.Generation)
			case inForce != nil && m.Generation > 0 && m.Generation == floor.Generation && m.Lineage == floor.Lineage && read.Hash != inForce.Hash:
				t.Fatalf("read %d: other content as generation %d", i, m.Generation)
			}
			floor = providers.Floor{Lineage: m.Lineage, Generation: m.Generation}
			inForce = read
		}
	})
}

func snapshot(generation int64, otherLineage, otherContent bool) *Snapshot {
	m := &v1.Manifest{Version: v1.Version, Generation: generation, Lineage: "one", Services: []v1.Service{}}
	if otherLineage {
		m.Lineage = "two"
	}
	if otherContent {
		m.Message = "other"
	}
	return &Snapshot{Manifest: m, Hash: m.Hash()}
}
