package alert_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// A phone is a server in memory that webhooks call, in a bubble.
type phone struct {
	t     *testing.T
	hooks *alert.Receivers
	log   lockedBuffer
	stop  func() // ends the calling, and waits
	begun time.Time

	mu     sync.Mutex // guards the fields below
	answer func(w http.ResponseWriter, host, body string)
	calls  []string // "5s ops.example tank firing", and so on
}

func newPhone(t *testing.T) *phone {
	p := &phone{t: t, begun: time.Now(), answer: func(http.ResponseWriter, string, string) {}}
	server := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.calls = append(p.calls, fmt.Sprintf("%v %s %s", time.Since(p.begun).Round(time.Second), r.Host, body))
		answer := p.answer
		p.mu.Unlock()
		answer(w, r.Host, string(body))
	}))
	p.hooks = alert.NewReceivers(slog.New(slog.NewTextHandler(&p.log, nil)), server.Client)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- p.hooks.Run(ctx) }()
	synctest.Wait()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-over; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want it canceled", err)
		}
	})
	t.Cleanup(func() {
		p.stop()
		if contains(p.log.String(), "hidden") {
			t.Errorf("the log has the secret part of an address:\n%s", &p.log)
		}
	})
	return p
}

// webhook is a webhook of a host, which sends what a message says in short.
func webhook(name string) *config.Notify {
	to := &notify.HTTP{Request: notify.At(&url.URL{Scheme: "http", Host: name + ".example", Path: "/hidden"})}
	to.Header.Set("Authorization", "hidden")
	to.Body = "{source} {state}"
	return &config.Notify{Name: name, Receiver: to}
}

func (p *phone) tell(to *config.Notify, source, state string) {
	p.t.Helper()
	p.hooks.Fires(to, source, state == "firing")
}

// does makes answer what calls are answered by.
func (p *phone) does(answer func(w http.ResponseWriter, host, body string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// taken is what calls there have been since it was asked last, in their order.
func (p *phone) taken() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.calls = nil }()
	return p.calls
}

// heard checks what is taken.
func (p *phone) heard(want ...string) {
	p.t.Helper()
	if got := p.taken(); !slices.Equal(got, want) {
		p.t.Errorf("calls = %q, want %q", got, want)
	}
}

// heardInAnyOrder is heard but for the order.
func (p *phone) heardInAnyOrder(want ...string) {
	p.t.Helper()
	if got := slices.Sorted(slices.Values(p.taken())); !slices.Equal(got, want) {
		p.t.Errorf("calls = %q, want %q in any order", got, want)
	}
}

func (p *phone) logged(times int, message string) {
	p.t.Helper()
	if got := strings.Count(p.log.String(), message); got != times {
		p.t.Errorf("the log has %q %d times, want %d:\n%s", message, got, times, &p.log)
	}
}

// fails has calls fail for a time, counted from the beginning.
func (p *phone) fails(until time.Duration) {
	p.does(func(w http.ResponseWriter, _, _ string) {
		if time.Since(p.begun) < until {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

func TestAWebhookIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.tell(ops, "tank", "firing")
		p.heard("0s ops.example tank firing")
		time.Sleep(time.Hour)
		p.tell(ops, "tank", "resolved")
		p.heard("1h0m0s ops.example tank resolved")
		if p.stop(); !p.hooks.Idle() || contains(p.log.String(), "not told") {
			t.Errorf("idle: %v, want nothing left to do, nor to say:\n%s", p.hooks.Idle(), &p.log)
		}
	})
}

func TestAWebhookIsCalledAgainAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.fails(20 * time.Second)
		p.tell(ops, "tank", "firing")
		time.Sleep(time.Minute)
		if calls := p.taken(); len(calls) != 6 { // at 0 and about 1, 3, 7, 15 and 31 seconds
			t.Errorf("calls = %q, want 6", calls)
		}
		p.logged(1, "will be tried again")
		p.logged(0, "given up")

		// Success has ended the row of failures.
		p.tell(ops, "tank", "resolved")
		p.heard("1m0s ops.example tank resolved")
	})
}

func TestAWebhookThatStaysDownIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.fails(48 * time.Hour)
		p.tell(ops, "tank", "firing")
		time.Sleep(48 * time.Hour)
		calls := p.taken()
		if n := len(calls); n < 260 || n > 360 {
			t.Errorf("%d calls, want about 300", n)
		}
		at, _, _ := strings.Cut(calls[len(calls)-1], " ")
		if last, err := time.ParseDuration(at); err != nil || last < 23*time.Hour || last > 24*time.Hour {
			t.Errorf("the last call is after %v, want it in the last of 24 hours", at)
		}
		p.logged(1, `level=ERROR msg="alert not told: given up" receiver=ops state=firing group=source/tank alerts=1 err="POST http://ops.example: 500 Internal Server Error"`)
		if p.stop(); !p.hooks.Idle() {
			t.Error("something is left to be told")
		}
	})
}

func TestRetryAfterOfAWebhookIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		after := "420"
		p.does(func(w http.ResponseWriter, _, _ string) {
			if after != "" {
				w.Header().Set("Retry-After", after)
				w.WriteHeader(http.StatusTooManyRequests)
			}
		})
		p.tell(ops, "tank", "firing")
		p.heard("0s ops.example tank firing")
		p.tell(ops, "pump", "firing") // waits too
		after = ""
		time.Sleep(419 * time.Second)
		p.heard()
		time.Sleep(2 * time.Second)
		p.heard("7m0s ops.example tank firing", "7m0s ops.example pump firing")

		// Twice is longer than it is worth waiting for.
		after = "86400"
		p.tell(ops, "tank", "resolved")
		time.Sleep(50 * time.Hour)
		p.heard("7m1s ops.example tank resolved", "24h7m1s ops.example tank resolved")
		p.logged(1, "given up")
	})
}

func TestAWebhookThatRefusesIsCalledOnce(t *testing.T) {
	for status, calls := range map[int]int{301: 1, 401: 1, 404: 1, 410: 1, 413: 1, 408: 2, 425: 2, 429: 2, 500: 2, 503: 2} {
		synctest.Test(t, func(t *testing.T) {
			p := newPhone(t)
			p.does(func(w http.ResponseWriter, _, _ string) { w.WriteHeader(status) })
			p.tell(webhook("ops"), "tank", "firing")
			time.Sleep(1500 * time.Millisecond)
			if got := p.taken(); len(got) != calls {
				t.Errorf("%d: calls = %q, want %d", status, got, calls)
			}
			p.logged(2-calls, "given up")
		})
	}
}

// A message that the webhook fails for, and no others, waits behind them.
func TestAMessageThatFailsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.does(func(w http.ResponseWriter, _, body string) {
			if strings.HasPrefix(body, "bad") {
				time.Sleep(time.Millisecond) // until all are told
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		for _, source := range []string{"bad", "good", "other"} {
			p.tell(ops, source, "firing")
		}
		time.Sleep(1500 * time.Millisecond)
		p.heard("0s ops.example bad firing", "1s ops.example good firing", "1s ops.example other firing", "1s ops.example bad firing")
	})
}

// While a receiver is down, what waits is folded: it knows in the end how it is, and that there was more.
func TestWhatWaitsIsFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.fails(10 * time.Second)
		for range 3 {
			for _, source := range []string{"a", "b", "c"} {
				p.tell(ops, source, "firing")
				p.tell(ops, source, "resolved")
			}
			time.Sleep(3 * time.Second)
		}
		p.tell(ops, "b", "firing")
		p.taken()
		time.Sleep(time.Minute)
		said := map[string][]string{}
		for _, call := range p.taken() {
			_, call, _ = strings.Cut(call, " ")
			_, call, _ = strings.Cut(call, " ")
			source, state, _ := strings.Cut(call, " ")
			if all := said[source]; len(all) == 0 || all[len(all)-1] != state { // else it is tried again
				said[source] = append(all, state)
			}
		}
		for source, want := range map[string]string{
			"a": "firing resolved", "b": "firing resolved firing", "c": "firing resolved",
		} {
			if got := strings.Join(said[source], " "); got != want {
				t.Errorf("of %s it is told %s, want %s", source, got, want)
			}
		}
		if !p.hooks.Idle() {
			t.Error("something is left to be told")
		}
	})
}

// Whoever is told that an alert fires is told that it is over, in this order, although it is over before the first can be
// told. One that was given up counts as told.
func TestResolvedFollowsFiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.tell(ops, "never", "resolved")
		time.Sleep(time.Second)
		p.heard()
		p.fails(10 * time.Second)
		p.tell(ops, "late", "firing")
		time.Sleep(500 * time.Millisecond)
		p.tell(ops, "late", "resolved")
		time.Sleep(time.Minute)
		if calls := p.taken(); len(calls) < 3 || !strings.HasSuffix(calls[len(calls)-2], "late firing") || !strings.HasSuffix(calls[len(calls)-1], "late resolved") {
			t.Errorf("heard %q, want late firing and late resolved at last", calls)
		}

		p.fails(25 * time.Hour)
		p.tell(ops, "lost", "firing")
		time.Sleep(25 * time.Hour)
		p.taken()
		p.logged(1, "given up")
		p.tell(ops, "lost", "resolved")
		p.heard("25h1m2s ops.example lost resolved")

		// A call that broke off may have arrived.
		p.does(func(http.ResponseWriter, string, string) { time.Sleep(time.Minute) })
		p.tell(ops, "slow", "firing")
		time.Sleep(5 * time.Second)
		p.tell(ops, "slow", "resolved")
		time.Sleep(5500 * time.Millisecond)
		p.does(func(http.ResponseWriter, string, string) {})
		time.Sleep(2 * time.Minute)
		if calls := p.taken(); len(calls) < 3 || !strings.HasSuffix(calls[len(calls)-2], "slow firing") || !strings.HasSuffix(calls[len(calls)-1], "slow resolved") {
			t.Errorf("heard %q, want slow firing again, and slow resolved at last", calls)
		}
	})
}

// What is being told is not replaced: its end comes after it.
func TestMessagesOfASourceKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.does(func(http.ResponseWriter, string, string) { time.Sleep(5 * time.Second) })
		p.tell(ops, "tank", "firing")
		time.Sleep(time.Second)
		p.tell(ops, "tank", "resolved")
		p.tell(ops, "tank", "firing")
		time.Sleep(time.Minute)
		p.heard("0s ops.example tank firing", "5s ops.example tank resolved", "10s ops.example tank firing")

		// Also if it fails, and there is a newer one.
		p.does(func(w http.ResponseWriter, _, _ string) {
			time.Sleep(5 * time.Second)
			if time.Since(p.begun) < 70*time.Second {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		p.tell(ops, "tank", "resolved")
		time.Sleep(time.Second)
		p.tell(ops, "tank", "firing")
		time.Sleep(time.Minute)
		p.heard("1m1s ops.example tank resolved", "1m7s ops.example tank resolved", "1m12s ops.example tank firing")
	})
}

func TestWhatIsNotToldIsTriedOnceMoreAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		p.fails(100 * time.Second)
		for _, source := range []string{"a", "b"} {
			p.tell(ops, source, "firing")
		}
		time.Sleep(100 * time.Second)
		p.stop()
		p.taken()
		p.hooks.Flush(t.Context())
		p.heardInAnyOrder("1m40s ops.example a firing", "1m40s ops.example b firing")
		p.logged(0, "given up")
	})
}

// An atTheEnd is a receiver that answers its first call in the moment in which the scheduler stops.
type atTheEnd struct{ calls []string }

func (r *atTheEnd) Kind() string                        { return "test" }
func (r *atTheEnd) Show(notify.Message) (string, error) { return "", nil }

func (r *atTheEnd) Send(ctx context.Context, _ *http.Client, m notify.Message) error {
	if r.calls = append(r.calls, m.State); len(r.calls) == 1 {
		<-ctx.Done()
	}
	return nil
}

func TestWhatIsToldAsTheSchedulerStopsIsNotToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPhone(t), &atTheEnd{}
		p.tell(&config.Notify{Name: "ops", Receiver: r}, "tank", "firing")
		synctest.Wait()
		p.stop()
		p.hooks.Flush(t.Context())
		if want := []string{"firing"}; !slices.Equal(r.calls, want) {
			t.Errorf("the receiver is told %q, want %q", r.calls, want)
		}
		p.logged(0, "not told")
	})
}

func TestTheLastCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ops := newPhone(t), webhook("ops")
		leave := make(chan struct{})
		t.Cleanup(func() { close(leave) })
		p.does(func(http.ResponseWriter, string, string) { <-leave })
		for _, source := range []string{"a", "b", "c"} {
			p.tell(ops, source, "firing")
		}
		synctest.Wait()
		p.stop()
		p.taken()
		begun := time.Now()
		p.hooks.Flush(t.Context())
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("the last calls took %v, want 2s", took)
		}
		p.heard("0s ops.example a firing")
		p.logged(3, "given up")
	})
}
