package crash_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

// spoil makes something of a state file that no daemon ever wrote.
func spoil(chance *rand.Rand, state []byte) (what string, spoilt []byte) {
	spoilt = append([]byte(nil), state...)
	switch chance.IntN(7) {
	case 0:
		return "empty", nil
	case 1:
		n := chance.IntN(len(spoilt))
		return fmt.Sprintf("cut after %d bytes", n), spoilt[:n]
	case 2:
		for i := range spoilt {
			spoilt[i] = byte(chance.Uint32())
		}
		return "random bytes", spoilt
	case 3:
		for range 1 + chance.IntN(20) {
			spoilt[chance.IntN(len(spoilt))] ^= 1 << chance.IntN(8)
		}
		return "some bits turned over", spoilt
	case 4:
		return "twice", append(spoilt, spoilt...)
	case 5:
		var generic map[string]any
		Expect(json.Unmarshal(state, &generic)).To(Succeed())
		generic["apiVersion"], generic["observedGeneration"], generic["lineage"] = "deployer/v99", 1<<40, "of-another-world"
		for _, key := range []string{"services", "manifest", "conditions"} {
			if chance.IntN(2) == 0 {
				generic[key] = "what was a list once"
			}
		}
		spoilt, err := json.Marshal(generic)
		Expect(err).NotTo(HaveOccurred())
		return "from the future", spoilt
	}
	return "another kind of JSON", []byte([]string{"null", "[]", `"state"`, "{}", "1e999"}[chance.IntN(5)])
}

var _ = Describe("state.json", func() {
	It("survives F24: whatever is in it, the daemon starts, tells the truth again, and restarts nothing", func(ctx SpecContext) {
		const file = "/var/lib/biz-deployer/state.json"
		chance := chances()
		service := stage.Overlapping("remembered", 8410)
		service.Artifact.StorePath = s.Release(ctx, "one")
		good := stage.Changed(service, stage.Change{Release: "one"})
		pid := s.StartService(ctx, good).Slots[v1.Primary].MainPID
		s.WaitAnswer(ctx, service.Name, "one")
		watch := s.StartWatch(ctx, service.Name, "one")
		for range stage.Length("DEPLOYER_LOAD_MUTATIONS", 25) {
			s.OK(ctx, s.Biz, "systemctl", "stop", daemon)
			state, err := s.Biz.Read(ctx, file)
			Expect(err).NotTo(HaveOccurred())
			what, spoilt := spoil(chance, state)
			By(what)
			Expect(s.Biz.Write(ctx, file, spoilt, 0o644)).To(Succeed())
			s.OK(ctx, s.Biz, "systemctl", "start", daemon)
			st := s.WaitGood(ctx, good)
			Expect(st.Slots[v1.Primary].MainPID).To(Equal(pid), what)
			Eventually(ctx, func(g Gomega) { // it is written soon, and not before anybody is told
				now, err := s.Biz.Read(ctx, file)
				g.Expect(err).NotTo(HaveOccurred())
				var host v1.HostState
				g.Expect(json.Unmarshal(now, &host)).To(Succeed(), what)
				g.Expect(host.UpdatedAt).To(BeTemporally("~", time.Now(), time.Minute), what)
			}).WithTimeout(stage.Patience).Should(Succeed())
		}
		watch.End()
	})
})
