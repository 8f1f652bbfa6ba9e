package nix

import (
	"sync"

	"deployer/providers"
)

// teller adds up how far an upload is, and tells it.
type teller struct {
	watch func(providers.PublishProgress)

	mu  sync.Mutex
	now providers.PublishProgress
	// credited is what of the size of each path counts as uploaded.
	credited map[*job]int64
	finished map[*job]bool
}

func newTeller(s *survey, watch func(providers.PublishProgress)) *teller {
	t := &teller{watch: watch, credited: map[*job]int64{}, finished: map[*job]bool{}}
	t.now.Paths = len(s.upload)
	for _, up := range s.upload {
		t.now.Size += s.records[up.storePath].narSize
	}
	return t
}

// sent counts n bytes of a NAR that has so many when it is compressed; negative ones are
// taken back.
func (t *teller) sent(j *job, n, compressed int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Sent += n
	if t.finished[j] {
		return // the last bytes of a request that was answered early
	}
	credit := int64(float64(n) / float64(compressed) * float64(j.mine.narSize))
	t.credit(j, credit)
}

// done counts a path of which the cache has all, sent by us now or not.
func (t *teller) done(j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.PathsDone++
	t.finished[j] = true
	t.credit(j, j.mine.narSize-t.credited[j])
}

func (t *teller) credit(j *job, n int64) {
	t.credited[j] += n
	t.now.SizeDone += n
	if t.watch != nil {
		t.watch(t.now)
	}
}

func (t *teller) total() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now.Sent
}
