package natsstoretest_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

var (
	tries  = flag.Int("tries", 1000, "how often a process reads what another one has just written")
	topics = flag.Int("topics", 0, "how many topics TestManyTopics makes; 0 leaves it out")
)

// quantile returns one of some durations.
func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(q*float64(len(all))))]
}

// What one process has written, another one finds at the first look, or at the second, after Sync.
func TestReadYourWrites(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint("R", n), func(t *testing.T) {
			c, name := use(t, n), prefix()
			one := open(t, natsstore.Options{URL: c.servers[0].url(), Prefix: name, Replicas: n})
			other := open(t, natsstore.Options{URL: c.servers[n-1].url(), Prefix: name, Replicas: n})
			ready(t, one)
			w := watch(t, other)
			misses, lost := 0, 0
			var syncs []time.Duration
			for i := range *tries {
				topic := strconv.Itoa(i)
				run := claim(t, one, topic, snapshot.ClaimOptions{}).Run()
				if w.last(topic).Run == run {
					continue
				}
				misses++
				began := time.Now()
				if err := other.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				syncs = append(syncs, time.Since(began))
				if w.last(topic).Run != run {
					lost++
				}
			}
			if lost > 0 {
				t.Errorf("%d of %d writes were not found after Sync", lost, *tries)
			}
			if misses > 0 {
				t.Logf("%d of %d were not there at once; Sync took %v at p50, %v at p99", misses, *tries, quantile(syncs, 0.5), quantile(syncs, 0.99))
			}
		})
	}
}

// Those who are too late to claim a topic hear of it about as soon as the winner. Three processes with 33 callers each.
func TestLosersDoNotWait(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint("R", n), func(t *testing.T) {
			c, name := use(t, n), prefix()
			var stores []*natsstore.Store
			for i := range 3 {
				stores = append(stores, ready(t, open(t, natsstore.Options{URL: c.servers[i%n].url(), Prefix: name, Replicas: n})))
			}
			claim(t, stores[0], "warm", snapshot.ClaimOptions{})
			var mu sync.Mutex
			var winners, losers []time.Duration
			for round := range 50 {
				begin := make(chan struct{})
				var wg sync.WaitGroup
				won := 0
				for i := range 99 {
					wg.Go(func() {
						<-begin
						began := time.Now()
						c, _, err := stores[i%3].Claim(t.Context(), fmt.Sprint("a", round), snapshot.ClaimOptions{})
						took := time.Since(began)
						mu.Lock()
						defer mu.Unlock()
						switch {
						case err != nil:
							t.Error(err)
						case c != nil:
							won++
							winners = append(winners, took)
						default:
							losers = append(losers, took)
						}
					})
				}
				close(begin)
				wg.Wait()
				if won != 1 {
					t.Errorf("%d of 99 got the topic, want one", won)
				}
			}
			w, l := quantile(winners, 0.5), quantile(losers, 0.5)
			t.Logf("winners p50 %v p99 %v, losers p50 %v p99 %v", w, quantile(winners, 0.99), l, quantile(losers, 0.99))
			if l > 5*w {
				t.Errorf("losers wait %v at p50, winners %v: want at most five times as long", l, w)
			}
		})
	}
}

// How long a put takes to the followers of another process.
func TestLatency(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint("R", n), func(t *testing.T) {
			c, name := use(t, n), prefix()
			one := open(t, natsstore.Options{URL: c.servers[0].url(), Prefix: name, Replicas: n, Pace: -1})
			other := open(t, natsstore.Options{URL: c.servers[n-1].url(), Prefix: name, Replicas: n})
			ready(t, one)
			told := make(chan string, 100)
			synced := make(chan struct{})
			go func() {
				_ = other.Follow(t.Context(), func(e snapshot.Entry) { told <- string(e.Data) }, func() { close(synced) })
			}()
			<-synced
			a := claim(t, one, "a", snapshot.ClaimOptions{})
			<-told
			var all []time.Duration
			for i := range 500 {
				data := strconv.Itoa(i)
				began := time.Now()
				a.Put([]byte(data))
				for <-told != data {
				}
				all = append(all, time.Since(began))
				time.Sleep(time.Millisecond)
			}
			t.Logf("from Put to a follower of another process: p50 %v p99 %v", quantile(all, 0.5), quantile(all, 0.99))
		})
	}
}

// heap returns the memory that is in use.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Topics that come and go leave nothing in a process, whether it has written them or only follows.
func TestChurnLeavesNothing(t *testing.T) {
	c, name := use(t, 1), prefix()
	one, other := open(t, natsstore.Options{URL: c.url(), Prefix: name}), open(t, natsstore.Options{URL: c.url(), Prefix: name})
	ready(t, other)
	churn := func(round int) {
		var wg sync.WaitGroup
		for w := range 32 {
			wg.Go(func() {
				for i := range 150 {
					c, _, err := one.Claim(t.Context(), fmt.Sprint("topic", round, "/", w, "/", i), snapshot.ClaimOptions{})
					if err != nil {
						t.Error(err)
						return
					}
					c.Put([]byte(strings.Repeat("x", 200)))
					if err := c.Finish(t.Context(), nil, 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		ready(t, one)
		ready(t, other)
	}
	churn(0) // what is made once
	before := heap()
	churn(1)
	grown := heap() - before
	t.Logf("4,800 topics that are gone hold %d bytes", grown)
	if grown > 1<<20 {
		t.Errorf("4,800 topics that are gone hold %d bytes, want at most 1 MiB", grown)
	}
	runtime.KeepAlive(one)
}

// What many topics cost a process. It is run by hand: -topics 100000.
func TestManyTopics(t *testing.T) {
	if *topics == 0 {
		t.Skip("without -topics")
	}
	c, name := own(t, 1, ""), prefix()
	one := ready(t, open(t, natsstore.Options{URL: c.url(), Prefix: name}))
	data := []byte(strings.Repeat("x", 200))
	var wg sync.WaitGroup
	began := time.Now()
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < *topics; i += 64 {
				c, _, err := one.Claim(t.Context(), fmt.Sprint("source/", i), snapshot.ClaimOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				c.Put(data)
			}
		})
	}
	wg.Wait()
	t.Logf("%d claims and puts in %v", *topics, time.Since(began).Round(time.Millisecond))
	if err := one.Close(t.Context()); err != nil {
		t.Error(err)
	}
	before := heap()
	began = time.Now()
	other := open(t, natsstore.Options{URL: c.url(), Prefix: name})
	n := 0
	synced := make(chan struct{})
	go func() { _ = other.Follow(t.Context(), func(snapshot.Entry) { n++ }, func() { close(synced) }) }()
	<-synced
	took := time.Since(began)
	t.Logf("another process knows %d topics after %v, with %d bytes of memory a topic", n, took.Round(time.Millisecond), (heap()-before)/n)
	runtime.KeepAlive(other)
	cpu := cpuTime()
	time.Sleep(5 * time.Second)
	t.Logf("idle, it needs %.1f %% of a processor", float64(cpuTime()-cpu)/float64(5*time.Second)*100)
}

// cpuTime is the processor time of this process.
func cpuTime() time.Duration { return cpuOf(os.Getpid()) }

// cpuOf is the processor time of a process so far, 0 if there is none.
func cpuOf(pid int) time.Duration {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
