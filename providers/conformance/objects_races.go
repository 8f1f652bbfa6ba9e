package conformance

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

const objectWriters = 8

func objectsRaces(open func() providers.Objects, at *objectPlace) {
	It("lets exactly one of eight writers win each round", func(ctx SpecContext) {
		stores := make([]providers.Objects, objectWriters)
		for i := range stores {
			stores[i] = open()
		}
		key := at.dir + "raced"
		condition := providers.PutOptions{IfAbsent: true}
		for round := range 10 {
			errs := make([]error, objectWriters)
			infos := make([]providers.ObjectInfo, objectWriters)
			together(func(i int) {
				infos[i], errs[i] = stores[i].Put(ctx, key, strings.NewReader(fmt.Sprintf("%d by %d", round, i)), condition)
			})
			winner := -1
			for i, err := range errs {
				if err == nil {
					Expect(winner).To(Equal(-1), "round %d: %d and %d both won", round, winner, i)
					winner = i
					continue
				}
				Expect(err).To(MatchError(providers.ErrConflict), "round %d, writer %d", round, i)
			}
			Expect(winner).NotTo(Equal(-1), "round %d: nobody won", round)
			got, info := readObject(ctx, stores[0], key, providers.GetOptions{})
			Expect(got).To(Equal(fmt.Sprintf("%d by %d", round, winner)))
			Expect(info.ETag).To(Equal(infos[winner].ETag))
			condition = providers.PutOptions{IfMatch: info.ETag}
		}
	})

	It("loses no update of eight writers who read, edit and write", func(ctx SpecContext) {
		const each = 5
		key := at.dir + "counter"
		writeObject(ctx, open(), key, "0", providers.PutOptions{})
		errs := make([]error, objectWriters)
		together(func(i int) {
			s := open()
			for range each {
				if errs[i] = increment(ctx, s, key); errs[i] != nil {
					return
				}
			}
		})
		Expect(errors.Join(errs...)).NotTo(HaveOccurred())
		got, _ := readObject(ctx, open(), key, providers.GetOptions{})
		Expect(got).To(Equal(strconv.Itoa(objectWriters * each)))
	})

	It("never shows half an object to a reader", func(ctx SpecContext) {
		key := at.dir + "swapped"
		short, long := strings.Repeat("s", 10), strings.Repeat("l", 300_000)
		writeObject(ctx, open(), key, short, providers.PutOptions{})
		var errs [2]error
		var wg sync.WaitGroup
		wg.Go(func() {
			s := open()
			for i := range 30 {
				body := long
				if i%2 == 1 {
					body = short
				}
				if _, errs[0] = s.Put(ctx, key, strings.NewReader(body), providers.PutOptions{}); errs[0] != nil {
					return
				}
			}
		})
		wg.Go(func() {
			s := open()
			for range 60 {
				got, _, err := fetchObject(ctx, s, key, providers.GetOptions{})
				if err != nil || (got != short && got != long) {
					errs[1] = fmt.Errorf("%d bytes: %w", len(got), errors.Join(err, errors.New("neither the one nor the other")))
					return
				}
			}
		})
		wg.Wait()
		Expect(errors.Join(errs[:]...)).NotTo(HaveOccurred())
	})
}

// together runs f for every writer at once.
func together(f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range objectWriters {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func increment(ctx context.Context, s providers.Objects, key string) error {
	for {
		got, info, err := fetchObject(ctx, s, key, providers.GetOptions{})
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(got)
		if err != nil {
			return err
		}
		_, err = s.Put(ctx, key, strings.NewReader(strconv.Itoa(n+1)), providers.PutOptions{IfMatch: info.ETag})
		if !errors.Is(err, providers.ErrConflict) {
			return err
		}
	}
}
