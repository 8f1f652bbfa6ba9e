package conformance

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// The bounds of what States keeps of events.
const (
	keptEventsPerService = 50
	keptEvents           = 2000
)

// States registers the specs of providers.States. Call it inside a container; open gives
// an empty one for each spec.
func States(open func() providers.States) {
	var states providers.States
	BeforeEach(func() { states = open() })

	It("has nothing at first, and says so", func(ctx SpecContext) {
		_, err := states.LoadState(ctx)
		Expect(err).To(MatchError(providers.ErrNotFound))
		_, err = states.LoadManifest(ctx)
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(states.Events(ctx, "")).To(BeEmpty())
		Expect(states.Floor(ctx)).To(BeZero())
	})

	It("gives back the last state and the last manifest", func(ctx SpecContext) {
		at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
		for generation := range int64(3) {
			Expect(states.SaveState(ctx, v1.HostState{
				APIVersion: v1.APIVersion, Kind: v1.KindHostState, Host: "biz", UpdatedAt: at, ObservedGeneration: generation,
				Services: []v1.ServiceState{{Name: "web", Slots: map[v1.Slot]v1.SlotState{v1.Primary: {Unit: "web.service"}}}},
			})).To(Succeed())
		}
		got, err := states.LoadState(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.ObservedGeneration).To(BeEquivalentTo(2))
		Expect(got.UpdatedAt).To(BeTemporally("==", at))
		Expect(got.Services[0].Slots[v1.Primary].Unit).To(Equal("web.service"))

		content := []byte("{ \"any\": \"bytes\"\n}\x00")
		Expect(states.SaveManifest(ctx, []byte("before"))).To(Succeed())
		Expect(states.SaveManifest(ctx, content)).To(Succeed())
		Expect(states.LoadManifest(ctx)).To(Equal(content))
	})

	It("gives events oldest first, of one service or of all", func(ctx SpecContext) {
		for i, service := range []string{"web", "api", "web", ""} {
			record(ctx, states, service, i)
		}
		Expect(messages(ctx, states, "")).To(Equal([]string{"0", "1", "2", "3"}))
		Expect(messages(ctx, states, "web")).To(Equal([]string{"0", "2"}))
		Expect(messages(ctx, states, "none")).To(BeEmpty())
	})

	It("keeps the newest events of every service, however noisy another one is", func(ctx SpecContext) {
		record(ctx, states, "quiet", 0)
		const noise = 4*keptEventsPerService + 7
		for i := range noise {
			record(ctx, states, "noisy", i)
		}
		got := messages(ctx, states, "noisy")
		Expect(got).To(HaveLen(keptEventsPerService))
		Expect(got[0]).To(Equal(fmt.Sprint(noise - keptEventsPerService)))
		Expect(got[len(got)-1]).To(Equal(fmt.Sprint(noise - 1)))
		Expect(messages(ctx, states, "quiet")).To(Equal([]string{"0"}))
	})

	It("bounds the events of all services together", func(ctx SpecContext) {
		for i := range keptEvents + 10 {
			record(ctx, states, fmt.Sprintf("web%d", i), i)
		}
		got := messages(ctx, states, "")
		Expect(got).To(HaveLen(keptEvents))
		Expect(got[0]).To(Equal("10"))
	})

	It("never lowers the floor within a lineage, and takes another lineage as it is", func(ctx SpecContext) {
		for _, step := range []struct{ to, want providers.Floor }{
			{providers.Floor{Lineage: "a", Generation: 7}, providers.Floor{Lineage: "a", Generation: 7}},
			{providers.Floor{Lineage: "a", Generation: 3}, providers.Floor{Lineage: "a", Generation: 7}},
			{providers.Floor{Lineage: "a", Generation: 8}, providers.Floor{Lineage: "a", Generation: 8}},
			{providers.Floor{Lineage: "b", Generation: 1}, providers.Floor{Lineage: "b", Generation: 1}},
		} {
			Expect(states.RaiseFloor(ctx, step.to)).To(Succeed())
			Expect(states.Floor(ctx)).To(Equal(step.want))
		}
	})

	It("pins the first host name for good", func(ctx SpecContext) {
		Expect(states.HostName(ctx, "biz")).To(Equal("biz"))
		Expect(states.HostName(ctx, "renamed")).To(Equal("biz"))
	})
}

func record(ctx context.Context, s providers.States, service string, n int) {
	GinkgoHelper()
	Expect(s.Record(ctx, v1.Event{
		APIVersion: v1.APIVersion, Kind: v1.KindEvent, Time: time.Unix(int64(n), 0).UTC(),
		Service: service, Type: v1.EventNormal, Reason: "Counted", Message: fmt.Sprint(n),
	})).To(Succeed())
}

func messages(ctx context.Context, s providers.States, service string) []string {
	GinkgoHelper()
	events, err := s.Events(ctx, service)
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, e := range events {
		out = append(out, e.Message)
	}
	return out
}
