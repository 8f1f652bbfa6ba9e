package service

import (
	"fmt"
	"math/rand/v2"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// model is a world that is nothing but what Next decides about: two slots, three instances,
// the upstream file. B is what the manifest wants; A and C are other releases. It is put
// into every state there is, and Next is obeyed until nothing is left.
type model struct {
	points, runs [2]string
	ill          [2]bool
	// altered: somebody started it with settings of his own.
	altered [2]bool
	// upstream is a slot, or 2 for a port that is no slot's.
	upstream int
	verdicts map[string]v1.VerdictResult
	// newest is what was judged good last; wants is the manifest's, held a hold without end.
	newest, wants string
	held          bool
	// broken never get well, wherever they are started.
	broken map[string]bool
	// started, proved and waited are the memory: what this daemon started, saw well often
	// enough, and waited for in vain until the deadline. quiet: the connections are gone.
	started, proved, waited [2]string
	quiet, soaked           bool
}

func (w *model) String() string {
	return fmt.Sprintf("points %v runs %v altered %v ill %v upstream %d verdicts %v wants %s held %v broken %v (started %v proved %v)",
		w.points, w.runs, w.altered, w.ill, w.upstream, w.verdicts, w.wants, w.held, w.broken, w.started, w.proved)
}

var modelPorts = map[string][2]int{"A": {8080, 20001}, "B": {8080, 20002}, "C": {8080, 20003}}

var modelNow = time.Unix(1_000_000, 0)

// scope is what an observation of it would give.
func (w *model) scope() *Scope {
	s := &Scope{Name: "web", Now: modelNow, memory: &memory{}}
	s.Assignment = v1.Assignment{
		Kind: v1.Assigned, Revision: w.wants, Strategy: v1.StrategyOverlap,
		Service: v1.Service{Name: "web", HTTP: &v1.HTTP{Domain: "web.example.com", InternalPort: 8080}}.Default(),
		Release: v1.Release{Service: "web", InternalPort: 8080, HealthType: v1.HealthHTTP},
	}
	s.Facts = Facts{
		Roots: map[string]string{}, Closures: map[string]providers.ClosureFacts{"": {Valid: true, OnDisk: true}},
		Secret:   providers.Secret{Fingerprint: v1.NoSecrets},
		Releases: providers.ReleaseFacts{Staged: map[string]providers.StagedRelease{}, Pointers: map[v1.Slot]string{}},
		Route:    providers.RouteFacts{Found: true, Current: true},
	}
	if w.held {
		s.Hold = &v1.Hold{Forever: true}
	}
	for i, name := range []string{"A", "B", "C"} {
		r := providers.StagedRelease{
			Instance: v1.Instance{Revision: name, Secrets: v1.NoSecrets}, StandbyPort: modelPorts[name][1],
			Release: v1.Release{Service: "web", InternalPort: 8080, HealthType: v1.HealthHTTP},
		}
		if v := w.verdicts[name]; v != "" {
			at := modelNow.Add(time.Duration(i) * time.Second)
			if name == w.newest {
				at = modelNow.Add(time.Hour)
			}
			r.Verdict = &v1.Verdict{Instance: r.Instance.String(), Result: v, At: at}
		}
		s.Facts.Releases.Staged[r.Instance.String()] = r
		s.Facts.Roots[v1.RootName("web", name)] = ""
	}
	for i, slot := range slots() {
		w.fill(s, i, slot)
	}
	s.Facts.Releases.Upstream = upstream(9)
	if w.upstream < 2 {
		s.Facts.Releases.Upstream = upstream(s.port(slots()[w.upstream]))
	}
	s.memory.live, s.memory.liveSince = s.live(), modelNow
	if w.quiet {
		s.memory.liveSince = modelNow.Add(-time.Minute)
	}
	chooseTarget(s)
	return s
}

func (w *model) fill(s *Scope, i int, slot v1.Slot) {
	full := func(name string) string { return name + "-" + v1.NoSecrets }
	if w.points[i] != "" {
		s.Facts.Releases.Pointers[slot] = full(w.points[i])
	}
	f, mind := s.Facts.of(slot), s.mind(slot)
	f.Unit = providers.UnitFacts{Active: "inactive", Found: w.points[i] != "", Ours: w.points[i] != "", Current: true}
	if w.runs[i] != "" {
		f.Unit.Found, f.Unit.Ours, f.Unit.Active, f.Unit.Instance = true, true, "active", full(w.runs[i])
		f.Unit.MainPID = i + 1
		if w.altered[i] {
			mind.altered = f.Unit.MainPID
		}
		f.Probe = providers.ProbeResult{OK: !w.ill[i]}
		if w.ill[i] {
			f.Probe = providers.ProbeResult{Reason: "WrongStatus", Answer: "500"}
		}
	}
	if w.started[i] != "" {
		mind.startOf, mind.startAt = full(w.started[i]), modelNow
	}
	if w.proved[i] != "" && w.proved[i] == w.runs[i] {
		mind.good, mind.wellSince, mind.wellOf = 2, modelNow, full(w.runs[i])
		if w.soaked {
			mind.wellSince = modelNow.Add(-time.Minute)
		}
	}
	if w.waited[i] != "" && w.waited[i] == w.runs[i] && w.ill[i] {
		mind.unwellOf, mind.unwellAt = full(w.runs[i]), modelNow.Add(-time.Hour)
	}
}

// obey does what a step would do; broken is what it must never do.
func (w *model) obey(step Step, about *Scope) (broken string) {
	target := about.Target.Instance.Revision
	i := 0
	if in, ok := step.(slotted); ok && in.of() == v1.Standby {
		i = 1
	}
	serves := w.upstream == i && w.runs[i] != "" && !w.ill[i] && w.verdicts[w.runs[i]] != v1.VerdictBad
	switch step.(type) {
	case stepInstall:
		w.points[i] = target
	case stepStart:
		if serves {
			return "restarts a slot that serves"
		}
		w.runs[i], w.started[i], w.ill[i], w.altered[i] = w.points[i], w.points[i], w.broken[w.points[i]], false
		w.proved[i], w.waited[i] = "", ""
		if w.verdicts[w.points[i]] == v1.VerdictBad {
			return "starts a bad instance"
		}
	case stepHealth:
		switch {
		case w.ill[i] && w.waited[i] == w.runs[i]:
			w.ill[i] = w.broken[w.runs[i]] // started again
		case w.ill[i]:
			w.waited[i] = w.runs[i]
		default:
			w.proved[i] = w.runs[i]
		}
	case stepShift:
		w.upstream, w.quiet, w.soaked = i, false, false
	case stepSoak:
		if !about.soaked(about.instance()) && about.soakedFor(slots()[i]) < about.soak() {
			w.soaked, w.quiet, w.proved[i] = true, true, w.runs[i]
			return ""
		}
		w.verdicts[target], w.newest = v1.VerdictSoaked, target
	case stepDrain:
		w.quiet = true
	case stepRetire:
		if serves {
			return "stops a slot that serves"
		}
		if w.upstream == 1 && i == 1 {
			w.upstream = 0 // ExecStopPost
		}
		w.points[i], w.runs[i], w.ill[i], w.altered[i], w.started[i] = "", "", false, false, ""
	case stepCondemn:
		w.verdicts[target] = v1.VerdictBad
	default:
		return "takes a step that this world has not: " + step.Name()
	}
	return ""
}

// die is an end of a slot's process; systemd starts what the slot's pointer names.
func (w *model) die(i int) {
	if w.runs[i] == "" {
		return
	}
	w.runs[i], w.proved[i], w.waited[i], w.altered[i] = w.points[i], "", "", false
	w.ill[i] = w.broken[w.points[i]]
	if i == 1 {
		w.upstream = 0 // ExecStopPost
	}
}

// end obeys until nothing is left, and gives what went wrong, or how many steps it took.
func (w *model) end(disturb func(n int)) (steps int, wrong string) {
	const longest = 60
	for n := 0; ; n++ {
		disturb(n)
		s := w.scope()
		step, about := Next(s)
		if _, last := step.(stepPrune); last || step == nil {
			return n, w.judge(s)
		}
		if n > longest {
			return n, "does not end: " + step.Name()
		}
		if wrong := w.obey(step, about); wrong != "" {
			return n, wrong
		}
		// A good release that does not get well again is waited for: that is its end.
		if _, waits := step.(stepHealth); waits && about.soaked(about.instance()) && w.broken[about.Target.Instance.Revision] {
			return n, ""
		}
	}
}

// judge says what of an end is not as it should be.
func (w *model) judge(s *Scope) string {
	wants := w.wants
	switch {
	case w.held && s.Target != nil && w.points[1] != "":
		return "rests with a standby"
	case w.held:
		return ""
	case s.Target == nil:
		if w.runs[0] == wants || w.runs[1] == wants {
			return "leaves a bad release running"
		}
		return ""
	}
	target := s.Target.Instance.Revision
	switch {
	case w.runs[0] != target || w.upstream != 0 || w.points[0] != target:
		return "ends without the target in the primary"
	case w.altered[0]:
		return "leaves a process with somebody's settings"
	case w.runs[1] != "" || w.points[1] != "":
		return "leaves a standby"
	case w.verdicts[target] != v1.VerdictSoaked:
		return "ends with a release that was not judged"
	}
	return ""
}

// everyModel calls f with every state.
func everyModel(f func(w model)) {
	names := []string{"", "A", "B", "C"}
	results := []v1.VerdictResult{"", v1.VerdictSoaked, v1.VerdictBad}
	each := func(i int, w model, then func(model)) {
		for _, points := range names {
			for _, runs := range names {
				for _, ill := range []bool{false, true} {
					if runs == "" && (ill || w.altered[i]) {
						continue
					}
					w.points[i], w.runs[i], w.ill[i] = points, runs, ill
					then(w)
				}
			}
		}
	}
	for _, a := range results[:2] {
		for _, b := range results {
			for _, c := range results[:2] {
				for bits := range 16 {
					w := model{
						verdicts: map[string]v1.VerdictResult{"A": a, "B": b, "C": c}, wants: "B", held: bits&1 > 0,
						broken: map[string]bool{"B": bits&2 > 0}, altered: [2]bool{bits&4 > 0, bits&8 > 0},
					}
					each(0, w, func(w model) {
						each(1, w, func(w model) {
							for w.upstream = range 3 {
								f(w)
							}
						})
					})
				}
			}
		}
	}
}

func (w model) clone() *model {
	verdicts := map[string]v1.VerdictResult{}
	for k, v := range w.verdicts {
		verdicts[k] = v
	}
	w.verdicts = verdicts
	return &w
}

var _ = Describe("the model of Next", func() {
	It("ends from every state, and never stops a slot that serves", func() {
		states, longest := 0, 0
		everyModel(func(w model) {
			before := w.clone().String()
			m := w.clone()
			n, wrong := m.end(func(int) {})
			if wrong != "" {
				Fail(fmt.Sprintf("%s\nfrom %s\nto   %s", wrong, before, m))
			}
			states, longest = states+1, max(longest, n)
		})
		GinkgoWriter.Printf("%d states, the longest way %d steps\n", states, longest)
		Expect(states).To(BeNumerically(">", 50_000))
	})

	It("ends with deaths, new targets, holds and lost memory on the way", func() {
		seed := uint64(GinkgoRandomSeed()) //nolint:gosec // any bits will do
		random := rand.New(rand.NewPCG(seed, 1))
		everyModel(func(w model) {
			if random.IntN(4) > 0 {
				return
			}
			m := w.clone()
			var what []string
			_, wrong := m.end(func(n int) {
				if n > 20 || random.IntN(5) > 0 {
					return
				}
				what = append(what, m.disturb(random))
			})
			if wrong != "" {
				Fail(fmt.Sprintf("%s\nfrom %s\nover %v\nto   %s (seed %d)", wrong, w.clone(), what, m, seed))
			}
		})
	})
})

// disturb is one thing that happens to a host.
func (w *model) disturb(random *rand.Rand) string {
	switch random.IntN(6) {
	case 5:
		i := random.IntN(2)
		w.die(i)
		w.altered[i] = w.runs[i] != ""
		return fmt.Sprintf("somebody edited the unit of slot %d and restarted it", i)
	case 0:
		w.die(0)
		return "the primary died"
	case 1:
		w.die(1)
		return "the standby died"
	case 2:
		w.started, w.proved, w.waited, w.quiet, w.soaked = [2]string{}, [2]string{}, [2]string{}, false, false
		w.altered = [2]bool{}
		return "the daemon lost its memory"
	case 3:
		w.held = !w.held
		return "a hold came or went"
	}
	w.wants = []string{"A", "B", "C"}[random.IntN(3)]
	return "the manifest wants " + w.wants
}
