package reconcile_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/reconcile"
)

var _ = Describe("Ticker", func() {
	It("enqueues all names at the start and at every round, as they are then", bubble(func(b *bench) {
		b.start(done, reconcile.Options{}, reconcile.Ticker{
			Every: time.Minute,
			Names: func() []string {
				if time.Since(b.begin) < time.Minute {
					return []string{"web"}
				}
				return []string{"web", "mail"}
			},
		})
		sleep(150 * time.Second)
		Expect(b.at("web")).To(Equal(seconds(0, 60, 120)))
		Expect(b.at("mail")).To(Equal(seconds(60, 120)))
		Expect(b.result()).To(Succeed())
	}))

	It("moves its rounds by the jitter", bubble(func(b *bench) {
		randoms := []float64{0, 0.5, 1, 0.5}
		b.start(done, reconcile.Options{}, reconcile.Ticker{
			Every:  time.Minute,
			Jitter: 0.1,
			Names:  func() []string { return []string{"web"} },
			Rand: func() float64 {
				next := randoms[0]
				randoms = randoms[1:]
				return next
			},
		})
		sleep(180 * time.Second)
		Expect(b.at("web")).To(Equal(seconds(0, 54, 114, 180)))
	}))
})

var _ = Describe("Chan", func() {
	It("enqueues what is sent, until it is closed", bubble(func(b *bench) {
		names := make(chan string)
		b.start(done, reconcile.Options{}, reconcile.Chan(names))
		names <- "web"
		names <- "mail"
		close(names)
		sleep(time.Second)
		Expect(b.at("web")).To(HaveLen(1))
		Expect(b.at("mail")).To(HaveLen(1))
		Expect(b.result()).To(Succeed())
	}))

	It("ends with the controller", bubble(func(b *bench) {
		b.start(done, reconcile.Options{}, reconcile.Chan(make(chan string)))
		Expect(b.result()).To(Succeed())
	}))
})
