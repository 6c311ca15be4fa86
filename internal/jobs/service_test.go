package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/own"
	"github.com/tidewire/tidewire/internal/upstream"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// A bench is a service with a memory store, and whatever else it uses, until the test ends.
type bench struct {
	*jobs.Service
	t *testing.T

	mu      sync.Mutex // guards the fields below
	alerts  []string   // how they changed
	audited []string
	ended   []string
}

// open opens a service with the jobs of a configuration, which do that work.
func open(t *testing.T, yaml string, work func(ctx context.Context) error) *bench {
	t.Helper()
	return openOn(t, archive.NewMemoryRuns(nil), yaml, work)
}

// openOn is open with ended runs in an archive.
func openOn(t *testing.T, runs archive.Runs, yaml string, work func(ctx context.Context) error) *bench {
	t.Helper()
	return openIn(t, snapshot.NewMemory(), runs, yaml, work)
}

// openIn is openOn with the newest states in a store.
func openIn(
	t *testing.T, in snapshot.Store, runs archive.Runs, yaml string, work func(ctx context.Context) error,
) *bench {
	t.Helper()
	return openAlerting(t, in, runs, records{}, yaml, work)
}

// records are what is kept of alerts, by key.
type records map[string]string

// Each implements [alert.Store].
func (r records) Each(_ context.Context, f func(key string, record []byte)) error {
	for key, record := range r {
		f(key, []byte(record))
	}
	return nil
}

// Keep implements [alert.Store].
func (r records) Keep(key string, record []byte, _ bool) { r[key] = string(record) }

// Kept implements [alert.Store].
func (r records) Kept(context.Context) error { return nil }

// openAlerting is openIn with records of alerts, and other things to use.
func openAlerting(
	t *testing.T, in snapshot.Store, runs archive.Runs, alerts records, yaml string, work func(ctx context.Context) error, with ...func(*jobs.Deps),
) *bench {
	t.Helper()
	cfg, problems := config.Load("test.yaml", []byte("version: 1\n"+yaml))
	if len(problems) > 0 {
		t.Fatalf("the configuration is not valid:\n%v", problems)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	hub, store := sse.NewHub(ctx, nil), own.New(in)
	tracker, err := progress.Open(ctx, store.ForHub(), &progress.Options{Hub: hub})
	if err != nil {
		t.Fatal(err)
	}
	scheduler, err := smartpoll.New(smartpoll.WithDynamic())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t}
	told := alert.New(alert.Deps{
		Scheduler: scheduler, Client: http.DefaultClient, Log: slog.New(slog.DiscardHandler), Clock: clock.New(),
		Changed: func(key, state, reason string) { b.note(&b.alerts, strings.TrimSpace(key+" "+state+" "+reason)) },
	})
	if err := told.Restore(ctx, alerts); err != nil {
		t.Fatal(err)
	}
	deps := jobs.Deps{
		Scheduler: scheduler,
		Store:     store,
		Tracker:   tracker,
		Hub:       hub,
		Archive:   runs,
		Log:       slog.New(slog.DiscardHandler),
		Clock:     clock.New(),
		Client:    http.DefaultClient,
		Upstreams: new(upstream.Pool),
		Alerts:    told,
		Audit:     func(action string, _ ...slog.Attr) { b.note(&b.audited, action) },
		Refresh:   func(context.Context, string) (time.Duration, error) { return 0, nil },
		Start: func(ctx context.Context, j *jobs.Job, opts jobs.StartOptions) error {
			_, _, err := b.Start(ctx, j, opts)
			return err
		},
		Source:   func(string) (sse.Event, bool) { return sse.Event{}, false },
		RunPath:  func(id string) string { return "/runs/" + id },
		Observer: &jobs.Observer{Ended: func(job, status string, _ time.Duration) { b.note(&b.ended, job+" "+status) }},
	}
	for _, f := range with {
		f(&deps)
	}
	b.Service, err = jobs.Open(ctx, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop) // before cancel
	change, err := b.Prepare(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	change.Apply()
	change.Finish(ctx)
	if work != nil { // else the jobs do what they are configured to
		b.Do(work)
	}
	return b
}

func (b *bench) note(list *[]string, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*list = append(*list, what)
}

// start starts a job and returns the run, or why there is none.
func (b *bench) start(job string, opts jobs.StartOptions) (*jobs.Run, error) {
	b.t.Helper()
	j := b.Job(job)
	args, problems := j.Bind(opts.Args)
	if len(problems) > 0 {
		b.t.Fatal(problems)
	}
	opts.Trigger, opts.Args = wire.TriggerAPI, args
	run, _, err := b.Start(b.t.Context(), j, opts)
	return run, err
}

func n(value int) jobs.StartOptions {
	return jobs.StartOptions{Args: map[string]any{"n": float64(value)}}
}

// untilDone is work that ends with its context.
func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// Every refusal has its code, and what callers can act upon.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, `
jobs:
  joins:    {exec: [x, "{n}"], args: {n: {type: int, default: 0}}}
  queues:   {exec: [x, "{n}"], args: {n: {type: int, default: 0}}, on_busy: queue, queue: 1}
  limited:  {exec: [x], limit: 1/h}
`, untilDone)
		refused := func(job string, opts jobs.StartOptions, code jobs.Code, behind *jobs.Run, after time.Duration) {
			t.Helper()
			_, err := b.start(job, opts)
			var refusal *jobs.Refusal
			switch {
			case !errors.As(err, &refusal) || refusal.Code != code || refusal.After != after || refusal.Detail != err.Error():
				t.Errorf("%s: %#v, want the code %q and %v", job, err, code, after)
			case behind == nil && refusal.Run != "", behind != nil && refusal.Run != behind.Snapshot().ID:
				t.Errorf("%s: the run that stands in the way is %q", job, refusal.Run)
			}
		}
		begun := func(job string, opts jobs.StartOptions) *jobs.Run {
			t.Helper()
			run, err := b.start(job, opts)
			if err != nil {
				t.Fatal(err)
			}
			return run
		}
		joins := begun("joins", n(0))
		refused("joins", n(1), jobs.Busy, joins, 0)
		queues := begun("queues", n(0))
		begun("queues", n(1))
		refused("queues", n(2), jobs.QueueFull, queues, 5*time.Second)
		limited := begun("limited", jobs.StartOptions{Key: "k"})
		b.Cancel(limited.Snapshot().ID)
		limited.Wait(t.Context(), time.Minute)
		refused("limited", jobs.StartOptions{}, jobs.Limited, nil, time.Hour)
		keyed := n(0)
		keyed.Key = "k"
		begun("joins", keyed)
		keyed = n(1)
		keyed.Key = "k"
		refused("joins", keyed, jobs.KeyReused, joins, 0)
		b.Stop()
		refused("joins", n(0), jobs.Stopping, nil, 5*time.Second)
	})
}

// Runs that conflict by their job or by their group begin in the order of their starts; others do not wait.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, `
jobs:
  a: {exec: [x, "{n}"], args: {n: {type: int, default: 0}}, on_busy: queue, queue: 9, group: disk}
  b: {exec: [x, "{n}"], args: {n: {type: int, default: 0}}, on_busy: queue, queue: 9, group: disk}
  c: {exec: [x, "{n}"], args: {n: {type: int, default: 0}}, on_busy: queue, queue: 9}
`, func(context.Context) error { time.Sleep(time.Second); return nil })
		runs := map[string]*jobs.Run{}
		for _, name := range strings.Fields("a0 b0 c0 a1 c1 b1") {
			run, err := b.start(name[:1], n(int(name[1]-'0')))
			if err != nil {
				t.Fatal(err)
			}
			runs[name] = run
		}
		state := func() string {
			synctest.Wait()
			var all []string
			for name, run := range runs {
				if snap := run.Snapshot(); !snap.Status.Ended() {
					all = append(all, fmt.Sprintf("%s %s %d", name, snap.Status, snap.Position))
				}
			}
			slices.Sort(all)
			return strings.Join(all, ", ")
		}
		for _, want := range []string{
			"a0 running 0, a1 queued 2, b0 queued 1, b1 queued 3, c0 running 0, c1 queued 1",
			"a1 queued 1, b0 running 0, b1 queued 2, c1 running 0",
			"a1 running 0, b1 queued 1",
			"b1 running 0",
			"",
		} {
			if got := state(); got != want {
				t.Errorf("the runs are %q, want %q", got, want)
			}
			time.Sleep(time.Second + time.Millisecond)
		}
	})
}

// Whatever is started, joined, queued, replaced and cancelled meanwhile, Stop leaves nothing behind: the bubble would
// not end. Each run has ended once.
func TestStopUnderStress(t *testing.T) {
	for round := range 30 {
		synctest.Test(t, func(t *testing.T) {
			var working, begun atomic.Int64
			b := open(t, `
jobs:
  joins:    {exec: [x, "{n}"], args: {n: {type: int, default: 0}}, group: g}
  queues:   {exec: [x, "{n}"], args: {n: {type: int, default: 0}}, on_busy: queue, queue: 3, group: g}
  replaces: {exec: [x, "{n}"], args: {n: {type: int, default: 0}}, on_busy: replace}
  lanes:    {exec: [x, "{n}"], args: {n: {type: int, default: 0}}, on_busy: queue, parallel_by: n}
`, func(ctx context.Context) error {
				working.Add(1)
				defer working.Add(-1)
				select {
				case <-time.After(3 * time.Millisecond):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			var users sync.WaitGroup
			for user := range 6 {
				users.Go(func() {
					for i := range 40 {
						name := []string{"joins", "queues", "replaces", "lanes"}[(user+i)%4]
						opts := n(i % 3)
						opts.Audit = func(_ string, attrs ...slog.Attr) {
							if !attrs[len(attrs)-1].Value.Bool() { // it is a run of its own
								begun.Add(1)
							}
						}
						run, err := b.start(name, opts)
						if err == nil && run != nil && i%5 == 0 {
							b.Cancel(run.Snapshot().ID)
						}
						time.Sleep(time.Duration(user) * time.Millisecond)
					}
				})
			}
			time.Sleep(time.Duration(round) * time.Millisecond)
			users.Go(b.Stop)
			b.Stop()
			if left := working.Load(); left != 0 {
				t.Errorf("%d runs are at work after Stop", left)
			}
			for _, name := range []string{"joins", "queues", "replaces", "lanes"} {
				if running, queued := b.Count(name); running+queued != 0 {
					t.Errorf("%s has %d runs at work and %d that wait after Stop", name, running, queued)
				}
			}
			users.Wait()
			b.mu.Lock()
			defer b.mu.Unlock()
			if ended := len(b.ended); int64(ended) != begun.Load() || len(b.audited) != ended {
				t.Errorf("%d runs began and %d have ended, %d of them audited", begun.Load(), ended, len(b.audited))
			}
		})
	}
}
