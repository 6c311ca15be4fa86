package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// A smallStore takes no more than 64 KiB.
type smallStore struct{ snapshot.Store }

func (smallStore) MaxData() int { return 64 << 10 }

func (s smallStore) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	claim, e, err := s.Store.Claim(ctx, topic, opts)
	if claim != nil {
		claim = smallClaim{claim}
	}
	return claim, e, err
}

type smallClaim struct{ snapshot.Claim }

func (c smallClaim) Put(data []byte) {
	if len(data) <= 64<<10 {
		c.Claim.Put(data)
	}
}

// What a unit must remember may be more than the store takes: then the oldest Idempotency-Keys are forgotten, and starts are
// answered as ever.
func TestReplicasForgetTheOldestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.store, f.jobTakes = smallStore{f.store}, time.Hour
		all := []*member{f.join(sharedJobs), f.join(sharedJobs)}
		time.Sleep(3 * time.Second)
		key := func(i int) string { return fmt.Sprint(strings.Repeat("<", 250), i) } // six bytes each in JSON
		ids := map[int]any{}
		for i := range 60 {
			began := time.Now()
			code, run := all[i%2].start("j2", key(i))
			if took := time.Since(began); code != 202 || took > time.Second {
				t.Fatalf("start %d = %d %v after %v", i, code, run, took)
			}
			ids[i] = run["id"]
		}
		holder := 0
		f.mu.Lock()
		if f.by["/u2/job"] == all[1] {
			holder = 1
		}
		f.mu.Unlock()
		all[holder].kill()
		time.Sleep(20 * time.Second)
		if code, run := all[1-holder].start("j2", key(59)); code != 202 || run["id"] != ids[59] {
			t.Errorf("after a death the newest key leads to %d %v, want run %v", code, run, ids[59])
		}
		all[1-holder].leave()
	})
}
