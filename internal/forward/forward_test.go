package forward_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/forward"
)

// A receiver gets states, as long as it is not down. It is used in a bubble.
type receiver struct {
	down atomic.Bool
	fail error // while it is down; nil: it hangs

	mu    sync.Mutex // guards the fields below
	got   []string   // batches
	calls []time.Time
	busy  bool
}

func (r *receiver) publish(ctx context.Context, states []forward.State) error {
	r.mu.Lock()
	if r.busy {
		panic("there are two calls at a time")
	}
	r.busy = true
	r.calls = append(r.calls, time.Now())
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.busy = false
	}()
	if r.down.Load() {
		if r.fail != nil {
			return r.fail
		}
		<-ctx.Done()
		return errors.New("it hangs")
	}
	var batch []string
	for _, s := range states {
		batch = append(batch, s.Topic+"="+string(s.Data))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, strings.Join(batch, ","))
	return nil
}

// wants compares what was published since the last call.
func (r *receiver) wants(t *testing.T, when, want string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := strings.Join(r.got, " "); text != want {
		t.Errorf("%s: published %q, want %q", when, text, want)
	}
	r.got = nil
}

// The newest states are published, when that is possible, and nothing waits for it.
func TestForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := forward.Open(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), func() {})
		var r receiver
		f.Written("source/a", []byte("0")) // nobody gets it
		if _, _, ok := f.Status(); ok {
			t.Error("nobody gets states, and somebody does")
		}
		f.To(&forward.Receiver{Publish: r.publish})
		f.Written("source/a.b", []byte("1"))
		r.wants(t, "at first", "source/a.b=1")
		f.Written("run/x", []byte("1"))
		f.Written("job/a", []byte("2"))
		r.wants(t, "a run", "job/a=2")
		r.down.Store(true)
		for i := range 1000 {
			f.Written("source/a", fmt.Append(nil, i))
			time.Sleep(time.Second)
		}
		r.wants(t, "while nothing can be published", "")
		if waiting, failing, ok := f.Status(); waiting > 1 || failing == nil || !ok {
			t.Errorf("%d states wait, failing: %t", waiting, failing)
		}
		r.down.Store(false)
		time.Sleep(time.Minute)
		r.wants(t, "after that", "source/a=999")
		if n := strings.Count(log.String(), "level=WARN"); n != 1 || strings.Count(log.String(), "again") != 1 {
			t.Errorf("the log is\n%s", &log)
		}
		if waiting, failing, _ := f.Status(); waiting > 0 || failing != nil {
			t.Errorf("%d states wait, failing: %t", waiting, failing)
		}
		f.Written("job/a", []byte("3"))
		f.Close(t.Context())
		r.wants(t, "at the end", "job/a=3")
	})
}

// States are published together, the ones that have waited longest first, each once, and not too often.
func TestForwardTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := forward.Open(t.Context(), slog.New(slog.DiscardHandler), func() {})
		var r receiver
		f.To(&forward.Receiver{Publish: r.publish, Most: 3, Every: 10 * time.Second})
		f.Written("source/a", []byte("0"))
		r.wants(t, "at first", "source/a=0")
		for i := range 3 {
			for _, name := range []string{"d", "a", "b", "c"} {
				f.Written("source/"+name, fmt.Append(nil, i))
			}
			time.Sleep(time.Second)
		}
		r.wants(t, "too soon", "")
		time.Sleep(7 * time.Second)
		r.wants(t, "after the pause", "source/d=2,source/a=2,source/b=2")
		f.Written("source/d", []byte("3"))
		time.Sleep(10 * time.Second)
		r.wants(t, "after the next one", "source/c=2,source/d=3")
		large := strings.Repeat("x", 600_000)
		for _, name := range []string{"a", "b"} {
			f.Written("source/"+name, []byte(large))
		}
		f.Written("source/c", []byte(large+large))
		f.Written("source/d", []byte("4"))
		f.Close(t.Context())
		r.wants(t, "large ones", "source/a="+large+" source/b="+large+" source/c="+large+large+" source/d=4")
	})
}

// A polite error is one that asks for a pause.
type polite struct{ time.Duration }

func (p polite) Error() string             { return "429" }
func (p polite) RetryAfter() time.Duration { return p.Duration }

// The pauses after failures grow, to a bound, and are as long as the receiver asks for, to another bound.
func TestForwardBacksOff(t *testing.T) {
	for _, tt := range []struct {
		fail error
		want []time.Duration
	}{
		{errors.New("refused"), []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}},
		{fmt.Errorf("x: %w", polite{3 * time.Second}), []time.Duration{3 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second}},
		{polite{time.Hour}, []time.Duration{time.Minute, time.Minute}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := forward.Open(t.Context(), slog.New(slog.DiscardHandler), func() {})
			r := receiver{fail: tt.fail}
			r.down.Store(true)
			f.To(&forward.Receiver{Publish: r.publish, Most: 10})
			f.Written("source/a", []byte("0"))
			time.Sleep(time.Hour)
			r.mu.Lock()
			calls := slices.Clone(r.calls)
			r.mu.Unlock() // an attempt may begin at the same time
			var pauses []time.Duration
			for i := range tt.want {
				pauses = append(pauses, calls[i+1].Sub(calls[i]))
			}
			if fmt.Sprint(pauses) != fmt.Sprint(tt.want) {
				t.Errorf("after %v the pauses are %v, want %v", tt.fail, pauses, tt.want)
			}
			f.To(nil)
			if waiting, failing, _ := f.Status(); waiting > 0 || failing != nil {
				t.Errorf("nobody gets states, and %d wait", waiting)
			}
			f.Close(t.Context())
		})
	}
}

// A receiver that takes less at once gets what it takes, and what it refuses alone holds up nothing else.
func TestForwardWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := forward.Open(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), func() {})
		got, calls, takes := map[string]string{}, 0, 3
		f.To(&forward.Receiver{Most: 100, Every: time.Second, Publish: func(_ context.Context, states []forward.State) error {
			calls++
			if len(states) > takes || slices.ContainsFunc(states, func(s forward.State) bool { return string(s.Data) == "bad" }) {
				return fmt.Errorf("no: %w", &forward.RefusedError{Err: polite{2 * time.Second}})
			}
			for _, s := range states {
				got[s.Topic] = string(s.Data)
			}
			return nil
		}})
		for i := range 50 {
			f.Written(fmt.Sprintf("source/%d", i), []byte("1"))
		}
		f.Written("source/7", []byte("bad"))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if waiting, failing, _ := f.Status(); len(got) != 49 || waiting != 1 || failing == nil || calls > 150 {
			t.Errorf("after %d calls %d states were published, %d wait, failing: %t", calls, len(got), waiting, failing)
		}
		takes = 100
		f.Written("source/7", []byte("2"))
		for i := range 20 {
			f.Written("source/8", fmt.Append(nil, i))
			time.Sleep(2 * time.Second)
		}
		synctest.Wait()
		if waiting, failing, _ := f.Status(); got["source/7"] != "2" || got["source/8"] != "19" || waiting != 0 || failing != nil {
			t.Errorf("in the end %s and %s were published, %d wait, failing: %t", got["source/7"], got["source/8"], waiting, failing)
		}
		if strings.Count(log.String(), "level=WARN") != 1 || strings.Count(log.String(), "again") != 1 {
			t.Errorf("the log is\n%s", &log)
		}
		f.Close(t.Context())
	})
}

// To wait for the limit of a receiver is no failure, however long, and what is published then is the newest.
func TestForwardWaitsToBeAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := forward.Open(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), func() {})
		var r receiver
		f.To(&forward.Receiver{Publish: r.publish, Most: 10, Admit: func(ctx context.Context) (func(), error) {
			select {
			case <-time.After(59*time.Second + 500*time.Millisecond):
			case <-ctx.Done():
			}
			return func() {}, ctx.Err()
		}})
		for i := range 65 {
			f.Written("source/a", fmt.Append(nil, i))
			time.Sleep(time.Second)
		}
		r.wants(t, "after a minute", "source/a=59")
		if _, failing, _ := f.Status(); failing != nil || log.Len() > 0 {
			t.Errorf("failing: %t\n%s", failing, &log)
		}
		f.To(nil)
		time.Sleep(time.Hour)
		r.wants(t, "after nobody wants them", "")
		f.Close(t.Context())
	})
}

// Whoever writes, whoever changes the receiver and whoever closes may do it at any time; in the end the newest state of each
// topic was published.
func TestForwardUnderStress(t *testing.T) {
	for range 20 {
		f := forward.Open(t.Context(), slog.New(slog.DiscardHandler), func() {})
		var mu sync.Mutex // guards newest
		newest := map[string]string{}
		to := &forward.Receiver{Most: 7, Publish: func(_ context.Context, states []forward.State) error {
			mu.Lock()
			defer mu.Unlock()
			for _, s := range states {
				newest[s.Topic] = string(s.Data)
			}
			return nil
		}}
		f.To(to)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for n := range 500 {
					f.Written(fmt.Sprintf("source/%d", i*10+n%10), fmt.Append(nil, n))
					if n%100 == 0 {
						f.To(to)
						f.Status()
					}
				}
			})
		}
		all.Wait()
		f.Close(t.Context())
		if len(newest) != 80 || newest["source/0"] != "490" || newest["source/79"] != "499" {
			t.Fatalf("of %d topics the newest states are %v", len(newest), newest)
		}
	}
}

// Nobody who writes pays for a receiver that is not there.
func BenchmarkWritten(b *testing.B) {
	f := forward.Open(b.Context(), slog.New(slog.DiscardHandler), func() {})
	defer f.Close(b.Context())
	data := []byte("{}")
	b.ReportAllocs()
	for b.Loop() {
		f.Written("source/a", data)
	}
}

// Whoever is told that states are not published is told of another reason, too, and once of the same.
func TestForwardTellsWhyItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var why atomic.Value
		var told []string
		var f *forward.Forwarder
		f = forward.Open(t.Context(), slog.New(slog.DiscardHandler), func() {
			_, err, _ := f.Status()
			told = append(told, fmt.Sprint(err))
		})
		why.Store("refused")
		f.To(&forward.Receiver{Publish: func(context.Context, []forward.State) error {
			if text := why.Load().(string); text != "" {
				return errors.New(text)
			}
			return nil
		}})
		f.Written("source/a", []byte("1"))
		for _, text := range []string{"refused", "no route", ""} {
			why.Store(text)
			time.Sleep(10 * time.Minute)
		}
		f.Close(t.Context())
		if want := []string{"refused", "no route", "<nil>"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}
