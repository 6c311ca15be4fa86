package natsstoretest_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

// leader returns the server that leads the stream.
func (c *cluster) leader(t testing.TB, stream string) *server {
	t.Helper()
	nc, err := nats.Connect(c.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, _ := jetstream.New(nc)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		st, err := js.Stream(ctx, stream)
		cancel()
		if err != nil || st.CachedInfo().Cluster == nil {
			continue
		}
		info := st.CachedInfo().Cluster
		current := 0
		for _, r := range info.Replicas {
			if r.Current && !r.Offline {
				current++
			}
		}
		i := slices.IndexFunc(c.servers, func(s *server) bool { return s.name == info.Leader })
		if current == len(c.servers)-1 && i >= 0 {
			return c.servers[i]
		}
	}
	t.Fatal("the stream has no leader with current replicas after 20 s")
	return nil
}

// The machine of the stream's leader dies while 60 topics are written on one process and followed on three: no
// claim is lost, every end arrives, nothing goes back, and the silence is that of an election.
func TestLeaderDies(t *testing.T) {
	t.Parallel()
	c := own(t, 3, "")
	var stores []*natsstore.Store
	var watchers []*watcher
	for range 3 {
		s := open(t, natsstore.Options{URL: c.url(), Replicas: 3})
		stores, watchers = append(stores, s), append(watchers, watch(t, s))
	}
	const topics = 60
	var claims []snapshot.Claim
	for i := range topics {
		claims = append(claims, claim(t, stores[i%3], fmt.Sprint("topic", i), snapshot.ClaimOptions{}))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	puts := make([]atomic.Int64, topics)
	for i, c := range claims {
		wg.Go(func() {
			tick := time.NewTicker(25 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
					c.Put(fmt.Append(nil, puts[i].Add(1)))
				}
			}
		})
	}
	l := c.leader(t, "tidewire")
	heard := func() (n int) {
		for _, w := range watchers {
			w.mu.Lock()
			n += len(w.all)
			w.mu.Unlock()
		}
		return n
	}
	l.kill()
	killed := time.Now()
	later := make([]int64, topics) // what is put a second after that
	for i := range later {
		later[i] = puts[i].Load() + 40
	}
	behind := func() bool {
		return slices.ContainsFunc(watchers, func(w *watcher) bool {
			for i, want := range later {
				if n, _ := strconv.ParseInt(string(w.last(fmt.Sprint("topic", i)).Data), 10, 64); n < want {
					return true
				}
			}
			return false
		})
	}
	var silence time.Duration
	for was, since := heard(), killed; behind(); time.Sleep(5 * time.Millisecond) {
		if now := heard(); now > was {
			silence = max(silence, time.Since(since))
			was, since = now, time.Now()
		}
		if time.Since(killed) > 30*time.Second {
			t.Fatal("30 s after the death of the leader not all followers have heard of all topics again")
		}
	}
	t.Logf("the longest silence after the death of the leader is %v", silence.Round(10*time.Millisecond))
	if silence > 10*time.Second {
		t.Errorf("the longest silence is %v, want at most 10 s", silence)
	}
	if err := l.start(); err != nil {
		t.Fatal(err)
	}
	close(stop)
	wg.Wait()
	for i, c := range claims {
		if isLost(c) {
			t.Errorf("the claim of topic%d is lost", i)
			continue
		}
		finish(t, c, fmt.Sprint("end ", puts[i].Load()), time.Hour)
	}
	events := 0
	for _, w := range watchers {
		for i := range topics {
			w.wait(fmt.Sprint("topic", i), snapshot.Final, fmt.Sprint("end ", puts[i].Load()))
		}
		events += len(w.all)
	}
	t.Logf("%d events", events)
}
