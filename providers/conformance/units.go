package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// unitsPatience is how long a spec waits for what another process does.
const unitsPatience = 15 * time.Second

// UnitsHost is a host without units of ours, and what can befall it.
type UnitsHost struct {
	Units providers.Units
	// Release makes a defaulted release of the service whose program behaves like that and
	// can be started on this host.
	Release func(service string, p UnitsProgram) v1.Release
	// Stage makes the release directory of an instance and points the slot to it.
	Stage func(ctx context.Context, slot v1.Slot, r providers.StageRequest)
	// Pass lets that much time pass.
	Pass func(d time.Duration)
	// Crash kills the slot's process and lets the time pass that systemd waits.
	Crash func(service string, slot v1.Slot)
	// AddForeign puts a running unit on the host that is not ours.
	AddForeign func(service string)
	// Foreign describes that unit so far that touching it shows.
	Foreign func(service string) string
	// Drift does by hand what is named: edit, drop-in, mask, unlink or disable.
	Drift func(what, service string, slot v1.Slot)
	// Saw is what the slot's process was given; only UnitProcesses needs it.
	Saw func(service string, slot v1.Slot) UnitsProcess
}

// UnitsProgram is how a program behaves. The zero one runs for ever.
type UnitsProgram struct {
	// ExitsAtStart with that status, before its start is over.
	ExitsAtStart bool
	Status       int
	// Says is a line that it prints at its start, SaysTimes how often; 0 is once.
	Says      string
	SaysTimes int
	// Notifies: it tells systemd when it is ready (Type=notify), after ReadyAfter, or never.
	Notifies   bool
	ReadyAfter time.Duration
	NeverReady bool
}

// UnitsProcess is what a process was given.
type UnitsProcess struct {
	Args []string
	Env  map[string]string
}

// Units registers the specs of providers.Units. Call it inside a container; open gives a
// new host for each spec.
func Units(open func() UnitsHost) {
	var u *unitsCase
	BeforeEach(func() { u = &unitsCase{UnitsHost: open(), service: "web"} })

	unitsInstallSpecs(func() *unitsCase { return u })
	unitsRunSpecs(func() *unitsCase { return u })
	unitsReadySpecs(func() *unitsCase { return u })
	unitsRecordSpecs(func() *unitsCase { return u })
	unitsDriftSpecs(func() *unitsCase { return u })
}

// UnitProcesses registers the specs about what a process is given; it needs Saw, and so a
// host with real processes.
func UnitProcesses(open func() UnitsHost) {
	var u *unitsCase
	BeforeEach(func() { u = &unitsCase{UnitsHost: open(), service: "web"} })
	unitsProcessSpecs(func() *unitsCase { return u })
}

// unitsCase is the vocabulary of the specs.
type unitsCase struct {
	UnitsHost
	service string
}

func (u *unitsCase) spec(slot v1.Slot, p UnitsProgram) providers.UnitSpec {
	r := u.Release(u.service, p)
	s := providers.UnitSpec{Service: u.service, Slot: slot, Release: &r}
	if slot == v1.Standby {
		s.StandbyPort = 31234
	}
	return s
}

// stage puts the spec's release behind the slot's pointer as instance number n.
func (u *unitsCase) stage(ctx context.Context, s providers.UnitSpec, n int) string {
	i := v1.Instance{Revision: fmt.Sprintf("r%d", n), Secrets: v1.NoSecrets}
	u.Stage(ctx, s.Slot, providers.StageRequest{Instance: i, Release: *s.Release, StandbyPort: s.StandbyPort})
	return i.String()
}

// running stages, installs and starts.
func (u *unitsCase) running(ctx context.Context, s providers.UnitSpec, n int) string {
	GinkgoHelper()
	instance := u.stage(ctx, s, n)
	Expect(u.Units.Install(ctx, s)).To(Succeed())
	Expect(u.Units.Start(ctx, s.Service, s.Slot)).To(Succeed())
	return instance
}

func (u *unitsCase) observe(ctx context.Context, s providers.UnitSpec) providers.UnitFacts {
	GinkgoHelper()
	facts, err := u.Units.Observe(ctx, s)
	Expect(err).NotTo(HaveOccurred())
	return facts
}

func (u *unitsCase) expectTaken(err error) {
	GinkgoHelper()
	Expect(err).To(MatchError(providers.ErrConflict))
	Expect(providers.ReasonOf(err)).To(Equal("NameTaken"))
}

func unitsInstallSpecs(get func() *unitsCase) {
	It("says of a unit that is not there that it is not found, without an error", func(ctx SpecContext) {
		u := get()
		facts := u.observe(ctx, u.spec(v1.Primary, UnitsProgram{}))
		Expect(facts.Found).To(BeFalse())
		Expect(facts.Current).To(BeFalse())
		Expect(facts.Running()).To(BeFalse())
		Expect(u.observe(ctx, providers.UnitSpec{Service: "web", Slot: v1.Standby}).Current).To(BeTrue())
		Expect(u.Units.Owned(ctx)).To(BeEmpty())
	})

	It("installs a unit and starts nothing", func(ctx SpecContext) {
		u := get()
		s := u.spec(v1.Primary, UnitsProgram{})
		u.stage(ctx, s, 1)
		Expect(u.Units.Install(ctx, s)).To(Succeed())
		facts := u.observe(ctx, s)
		Expect(facts.Differs).To(BeEmpty())
		Expect(facts.Current).To(BeTrue())
		Expect(facts.Found).To(BeTrue())
		Expect(facts.Ours).To(BeTrue())
		Expect(facts.Active).To(Equal("inactive"))
		Expect(u.Units.Owned(ctx)).To(Equal([]providers.UnitName{{Service: "web", Slot: v1.Primary}}))
		Expect(u.observe(ctx, providers.UnitSpec{Service: "web", Slot: v1.Primary}).Current).To(BeFalse(), "wanting none")
	})

	It("needs no new unit for a new store path, env or attempt, and one for a new command", func(ctx SpecContext) {
		u := get()
		s := u.spec(v1.Primary, UnitsProgram{})
		Expect(u.Units.Install(ctx, s)).To(Succeed())
		next := *s.Release
		next.StorePath, next.Env, next.Attempt = next.StorePath+"-2", map[string]string{"A": "b"}, 2
		s.Release = &next
		Expect(u.observe(ctx, s).Current).To(BeTrue())
		next.Exec.Args = []string{"--other"}
		Expect(u.observe(ctx, s).Current).To(BeFalse())
		Expect(u.Units.Install(ctx, s)).To(Succeed())
		Expect(u.observe(ctx, s).Current).To(BeTrue())
	})

	It("removes a stopped unit, and says nothing of an absent one", func(ctx SpecContext) {
		u := get()
		s := u.spec(v1.Primary, UnitsProgram{})
		u.running(ctx, s, 1)
		Expect(u.Units.Remove(ctx, "web", v1.Primary)).To(MatchError(providers.ErrConflict), "it runs")
		Expect(u.observe(ctx, s).Running()).To(BeTrue())
		Expect(u.Units.Stop(ctx, "web", v1.Primary)).To(Succeed())
		Expect(u.Units.Remove(ctx, "web", v1.Primary)).To(Succeed())
		Expect(u.observe(ctx, s).Found).To(BeFalse())
		Expect(u.Units.Owned(ctx)).To(BeEmpty())
		Expect(u.Units.Remove(ctx, "web", v1.Primary)).To(Succeed())
	})

	It("never touches a unit that is not ours: NameTaken", func(ctx SpecContext) {
		u := get()
		u.service = "taken"
		u.AddForeign("taken")
		before := u.Foreign("taken")
		s := u.spec(v1.Primary, UnitsProgram{})
		facts := u.observe(ctx, s)
		Expect(facts.Found).To(BeTrue())
		Expect(facts.Ours).To(BeFalse())
		Expect(facts.Current).To(BeFalse())
		u.expectTaken(u.Units.Install(ctx, s))
		u.expectTaken(u.Units.Start(ctx, "taken", v1.Primary))
		u.expectTaken(u.Units.Stop(ctx, "taken", v1.Primary))
		u.expectTaken(u.Units.Remove(ctx, "taken", v1.Primary))
		Expect(u.Units.Owned(ctx)).To(BeEmpty())
		Expect(u.Foreign("taken")).To(Equal(before))
	})
}

func unitsRunSpecs(get func() *unitsCase) {
	It("starts what the pointer names, and says which instance the process runs", func(ctx SpecContext) {
		u := get()
		s := u.spec(v1.Primary, UnitsProgram{})
		first := u.running(ctx, s, 1)
		facts := u.observe(ctx, s)
		Expect(facts.Active).To(Equal("active"))
		Expect(facts.Instance).To(Equal(first))
		Expect(facts.MainPID).To(BeNumerically(">", 0))
		Expect(facts.ControlGroup).NotTo(BeEmpty())
		Expect(facts.Since).NotTo(BeZero())
		Expect(facts.Started).To(And(Not(BeZero()), Not(BeTemporally(">", facts.Since))))

		second := u.stage(ctx, s, 2)
		Expect(u.observe(ctx, s).Instance).To(Equal(first), "the pointer alone changes nothing that runs")
		Expect(u.Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		again := u.observe(ctx, s)
		Expect(again.Instance).To(Equal(second))
		Expect(again.MainPID).NotTo(Equal(facts.MainPID))
		Expect(again.Running()).To(BeTrue())
	})

	It("sees a crash that systemd repaired: another process, one more restart", func(ctx SpecContext) {
		u := get()
		s := u.spec(v1.Primary, UnitsProgram{})
		instance := u.running(ctx, s, 1)
		before := u.observe(ctx, s)
		u.Crash("web", v1.Primary)
		Eventually(func(g Gomega) {
			facts := u.observe(ctx, s)
			g.Expect(facts.Running()).To(BeTrue())
			g.Expect(facts.MainPID).NotTo(Equal(before.MainPID))
			g.Expect(facts.Restarts).To(Equal(1))
			g.Expect(facts.Started).To(BeTemporally(">", before.Started))
			g.Expect(facts.Instance).To(Equal(instance))
		}).WithTimeout(unitsPatience).Should(Succeed())
	})

	It("stops a slot, and says nothing of one that does not run", func(ctx SpecContext) {
		u := get()
		s := u.spec(v1.Primary, UnitsProgram{})
		Expect(u.Units.Stop(ctx, "web", v1.Primary)).To(Succeed())
		u.running(ctx, s, 1)
		Expect(u.Units.Stop(ctx, "web", v1.Primary)).To(Succeed())
		facts := u.observe(ctx, s)
		Expect(facts.Active).To(Equal("inactive"))
		Expect(facts.MainPID).To(BeZero())
		Expect(facts.Instance).To(BeEmpty())
		Expect(facts.Since).To(BeZero())
		Expect(facts.Started).To(BeZero())
		Expect(u.Units.Stop(ctx, "web", v1.Primary)).To(Succeed())
	})

	It("cannot start what is not installed: ErrNotFound", func(ctx SpecContext) {
		Expect(get().Units.Start(ctx, "web", v1.Primary)).To(MatchError(providers.ErrNotFound))
	})

	It("calls a program that does not come up the release's own fault, and starts a good one after it", func(ctx SpecContext) {
		u := get()
		bad := u.spec(v1.Primary, UnitsProgram{ExitsAtStart: true, Status: 3})
		u.stage(ctx, bad, 1)
		Expect(u.Units.Install(ctx, bad)).To(Succeed())
		err := u.Units.Start(ctx, "web", v1.Primary)
		var fault *providers.Fault
		Expect(errors.As(err, &fault)).To(BeTrue(), "%v", err)
		Expect(fault.Own).To(BeTrue())
		good := u.spec(v1.Primary, UnitsProgram{})
		u.stage(ctx, good, 2)
		Expect(u.Units.Install(ctx, good)).To(Succeed())
		Expect(u.Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		Expect(u.observe(ctx, good).Running()).To(BeTrue())
	})

	It("runs both slots side by side", func(ctx SpecContext) {
		u := get()
		primary, standby := u.spec(v1.Primary, UnitsProgram{}), u.spec(v1.Standby, UnitsProgram{})
		first, second := u.running(ctx, primary, 1), u.running(ctx, standby, 2)
		Expect(u.observe(ctx, primary).Instance).To(Equal(first))
		Expect(u.observe(ctx, standby).Instance).To(Equal(second))
		Expect(u.observe(ctx, standby).Current).To(BeTrue())
		Expect(u.Units.Owned(ctx)).To(ConsistOf(
			providers.UnitName{Service: "web", Slot: v1.Primary}, providers.UnitName{Service: "web", Slot: v1.Standby}))
		Expect(u.Units.Stop(ctx, "web", v1.Standby)).To(Succeed())
		Expect(u.Units.Remove(ctx, "web", v1.Standby)).To(Succeed())
		Expect(u.observe(ctx, primary).Running()).To(BeTrue())
	})
}
