package demo

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A quota passes at most limit requests in a window of time, which begins with
// a request, and refuses others with 429 and the seconds until the window ends
// in Retry-After (RFC 9110, 10.2.3).
type quota struct {
	limit  int
	window time.Duration
	next   http.Handler

	mu   sync.Mutex // guards the fields below
	ends time.Time
	used int
}

func (q *quota) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wait := q.take(time.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		http.Error(w, "quota used up", http.StatusTooManyRequests)
		return
	}
	q.next.ServeHTTP(w, r)
}

// take counts a request at time now. A result above 0 means that it is refused, for that long.
func (q *quota) take(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !now.Before(q.ends) {
		q.ends, q.used = now.Add(q.window), 0
	}
	if q.used == q.limit {
		return q.ends.Sub(now)
	}
	q.used++
	return 0
}

// An outage answers some requests with 500: of every `every` requests those with the numbers from `from` to `to`,
// counted from 1.
type outage struct {
	every, from, to uint64
	next            http.Handler

	count atomic.Uint64
}

func (o *outage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n := (o.count.Add(1)-1)%o.every + 1; o.from <= n && n <= o.to {
		http.Error(w, "database is being moved", http.StatusInternalServerError)
		return
	}
	o.next.ServeHTTP(w, r)
}

// A latency answers after base and up to spread more; of every so many
// requests the nth, counted from 1, after stall. Zero every means never.
type latency struct {
	base, spread time.Duration
	every, nth   uint64
	stall        time.Duration
	next         http.Handler

	count atomic.Uint64
}

func (l *latency) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := l.count.Add(1)
	d := l.base + time.Duration(float64(l.spread)*(random(l.nth, int64(n))+1)/2)
	if l.every > 0 && (n-1)%l.every+1 == l.nth {
		d = l.stall
	}
	if pause(r.Context(), d) {
		l.next.ServeHTTP(w, r)
	}
}

// pause waits for d; false means that ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
