package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/snapshot"
)

// formats returns the formats of the entries of units that there are.
func (f *fleet) formats() map[int]bool {
	ctx, done := context.WithCancel(f.t.Context())
	all := map[int]bool{}
	_ = f.store.Follow(ctx, func(e snapshot.Entry) {
		var unit struct {
			Format int `json:"v"`
		}
		if strings.HasPrefix(e.Topic, "unit/") && e.Data != nil && json.Unmarshal(e.Data, &unit) == nil {
			all[unit.Format] = true
		}
	}, done)
	return all
}

// refused checks that a replica that reads up to a format takes no part.
func (f *fleet) refused(yaml string, format int) {
	f.t.Helper()
	ctx, done := context.WithTimeout(f.t.Context(), time.Minute)
	defer done()
	opts := gateway.Replica(f.store, &f.questions).WithFormat(format)
	opts.Logger = slog.New(slog.NewTextHandler(f, nil))
	if err := gateway.TryOpen(ctx, load(f.t, yaml), opts); !errors.Is(err, context.DeadlineExceeded) {
		f.t.Errorf("a replica of format %d has joined, or failed with %v", format, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := strings.Count(f.logs.String(), "this replica takes no part"); n != 1 {
		f.t.Errorf("the log says %d times that it takes no part, want once", n)
	}
}

// Replicas are updated one after the other. Meanwhile those of both formats share sources, jobs, alerts and sessions, and
// write the older one; when all were updated, they write the newer one, and one of the older format takes no part.
func TestReplicasOfTwoFormats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := sharedAlerts + "  k: {http: {upstream: u1, path: /k/job, method: POST}, on_busy: queue, limit: 3/m}\n"
		f := newFleet(t)
		all := []*member{f.joinWith(yaml, 1), f.joinWith(yaml, 1), f.joinWith(yaml, 1)}
		time.Sleep(5 * time.Second)
		_, first := all[0].start("k", "key")
		f.set("9")
		time.Sleep(5 * time.Second)
		if got := f.told(); got["firing of a"] != 1 || got["firing of b"] != 1 {
			t.Errorf("told %v, want that both fire", got)
		}
		for i := range 3 {
			all[0].leave()
			all = append(all[1:], f.joinWith(yaml, 2))
			time.Sleep(3 * time.Second)
			if _, again := all[2].start("k", "key"); again["id"] != first["id"] {
				t.Errorf("after %d were updated the key leads to %v, want %v", i+1, again, first["id"])
			}
			code, run := all[i].start("k", "")
			if want := 202; i == 2 {
				if want = 429; code != want {
					t.Errorf("beyond the limit a start = %d, want 429", code)
				}
			} else if code != want {
				t.Errorf("a start = %d %v, want 202", code, run)
			} else if w := all[(i+1)%3].do("POST", "/api/v1/runs/"+of(run, "id")+"/cancel", ""); w.Code != 202 {
				t.Errorf("a cancel at another replica = %d %s", w.Code, w.Body)
			} else if end := all[(i+2)%3].ended(of(run, "id")); end["status"] != "cancelled" {
				t.Errorf("a run that was cancelled is %v", end)
			}
			if got := f.formats(); i < 2 && got[2] {
				t.Errorf("after %d were updated the units have the formats %v", i+1, got)
			}
		}
		time.Sleep(10 * time.Second)
		if got := f.told(); len(got) != 0 {
			t.Errorf("told %v, though nothing has changed", got)
		}
		f.set("1")
		time.Sleep(10 * time.Second)
		if got := f.told(); got["resolved of a"] != 1 || got["resolved of b"] != 1 {
			t.Errorf("told %v, want that both are over", got)
		}
		time.Sleep(time.Minute)
		if code, run := all[0].start("k", "another key"); code != 202 || !f.formats()[2] {
			t.Errorf("a start = %d %v; after all were updated units have the formats %v", code, run, f.formats())
		}
		time.Sleep(10 * time.Second)
		f.refused(yaml, 1)
		f.mu.Lock()
		for name, gap := range f.gaps {
			if gap > 3*time.Second {
				t.Errorf("%s was not polled for %v", name, gap)
			}
		}
		f.mu.Unlock()
		for _, m := range all {
			m.leave()
		}
	})
}

// A replica that finds the store marked with a format that it does not read gives up what it does, and is not ready. If the
// stream is another one by then, it goes on.
func TestReplicaThatIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		m := f.join(sharedAlerts)
		time.Sleep(5 * time.Second)
		claim, _, err := f.store.Claim(t.Context(), fmt.Sprint("replica/format/", replica.Format+1), snapshot.ClaimOptions{})
		if err == nil {
			err = claim.Finish(t.Context(), []byte(`"9.9.9"`), time.Hour)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		since := time.Now()
		time.Sleep(10 * time.Second)
		if got := f.owners(since); len(got) != 0 {
			t.Errorf("sources are still polled: %v", got)
		}
		if code, run := m.start("j", ""); code != 503 {
			t.Errorf("a start = %d %v, want 503", code, run)
		}
		w := m.do("GET", "/readyz", "")
		if body := decode(t, w.Body.Bytes()); w.Code != 503 || body["store"] != "newer" || m.Refused() == nil {
			t.Errorf("readyz = %d %v, want 503 and that the store is newer", w.Code, body)
		}
		time.Sleep(time.Hour)
		since = time.Now()
		time.Sleep(5 * time.Second)
		if got := f.owners(since); got[m] != 2 || m.Refused() != nil {
			t.Errorf("when the mark has gone %v are polled", got)
		}
		m.leave()
	})
}
