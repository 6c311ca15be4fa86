package own_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/own"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

func TestStore(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			snapshottest.RunInBubble(t, func(*testing.T) snapshot.Store { return own.New(open()) })
			t.Run("ForHub", func(t *testing.T) {
				snapshottest.RunInBubble(t, func(*testing.T) snapshot.Store { return own.New(open()).ForHub() })
			})
		})
	}
}

// stores are what is below.
var stores = map[string]func() snapshot.Store{
	"Memory":  func() snapshot.Store { return snapshot.NewMemory() },
	"Distant": func() snapshot.Store { return snapshottest.Distant(snapshot.NewMemory(), lag) },
}

const lag = 50 * time.Millisecond

// A fixture is a store with the hub that a tracker fills from it.
type fixture struct {
	*own.Store
	inner snapshot.Store
	hub   *sse.Hub
}

func newFixture(t *testing.T, inner snapshot.Store) fixture {
	t.Helper()
	store, hub := own.New(inner), sse.NewHub(t.Context(), nil)
	leave := func(string, progress.Snapshot) (any, time.Duration) { return nil, 0 }
	if _, err := progress.Open(t.Context(), store.ForHub(), &progress.Options{Hub: hub, Lost: leave}); err != nil {
		t.Fatal(err)
	}
	return fixture{store, inner, hub}
}

func (f fixture) claim(t *testing.T, store snapshot.Store, topic, run string) snapshot.Claim {
	t.Helper()
	claim, _, err := store.Claim(t.Context(), topic, snapshot.ClaimOptions{Run: run})
	if err != nil || claim == nil {
		t.Fatalf("Claim(%s) = %v, %v", topic, claim, err)
	}
	return claim
}

func show(ev sse.Event, ok bool) string {
	if !ok {
		return "none"
	}
	return fmt.Sprintf("%s=%s", ev.ID, ev.Data)
}

// What this process has written is read at once, and what others write as soon as it is told.
func TestWritesAreReadAtOnce(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer func() { cancel(); synctest.Wait() }()
				f := newFixture(t, open())
				a := f.hub.Topic("a", sse.TopicOptions{})
				reads := func(when, want string) {
					t.Helper()
					if got := show(f.Latest(a)); got != want {
						t.Errorf("%s: the newest event is %s, want %s", when, got, want)
					}
				}
				agrees := func(when string) {
					t.Helper()
					time.Sleep(lag)
					synctest.Wait()
					if got, want := show(a.Latest()), show(f.Latest(a)); got != want {
						t.Errorf("%s the topic has %s, want what was read, %s", when, got, want)
					}
				}
				reads("at first", "none")
				claim := f.claim(t, f, "a", "r")
				reads("after the claim", "none")
				claim.Put([]byte("1"))
				claim.Put([]byte("2"))
				reads("after two puts", "r-2=2")
				agrees("after two puts")
				if err := claim.Finish(ctx, []byte("3"), time.Second); err != nil {
					t.Error(err)
				}
				claim.Put([]byte("late"))
				if err := claim.Finish(ctx, []byte("late"), time.Second); !errors.Is(err, snapshot.ErrOver) {
					t.Errorf("the second Finish = %v, want %v", err, snapshot.ErrOver)
				}
				reads("after the end", "r-end=3")
				agrees("after the end")
				time.Sleep(time.Second)
				synctest.Wait()
				reads("after the retention", "none")

				claim = f.claim(t, f, "a", "s")
				claim.Put([]byte("4"))
				if err := claim.Finish(ctx, []byte("5"), time.Hour); err != nil {
					t.Error(err)
				}
				claim = f.claim(t, f, "a", "t")
				claim.Put([]byte("6"))
				reads("of the next run", "t-1=6")
				agrees("of the next run")
				if err := claim.Finish(ctx, []byte("7"), time.Hour); err != nil {
					t.Error(err)
				}
				other := f.claim(t, f.inner, "a", "u") // of another process
				other.Put([]byte("8"))
				agrees("of another process")
				reads("of another process", "u-1=8")
				if err := f.Heard(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A run that was released is read from its topic, and an adopted one goes on where it was.
func TestAdoptedRunsAreRead(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, open())
				a := f.hub.Topic("a", sse.TopicOptions{})
				reads := func(when, want string) {
					t.Helper()
					if got := show(f.Latest(a)); got != want {
						t.Errorf("%s: the newest event is %s, want %s", when, got, want)
					}
				}
				old := f.claim(t, f, "a", "r")
				old.Put([]byte("1"))
				if err := old.Release(t.Context()); err != nil {
					t.Error(err)
				}
				old.Put([]byte("late"))
				reads("after the release", "r-1=1")
				adopt := snapshot.ClaimOptions{Adopt: "r"}
				claim, _, err := f.Claim(t.Context(), "a", adopt)
				if err != nil || claim == nil {
					t.Fatalf("Claim to adopt = %v, %v", claim, err)
				}
				reads("when it is adopted", "r-1=1")
				claim.Put([]byte("2"))
				reads("when it goes on", "r-2=2")
				if err := claim.Release(t.Context()); err != nil {
					t.Error(err)
				}
				other, _, err := f.inner.Claim(t.Context(), "a", adopt) // by another process
				if err != nil || other == nil {
					t.Fatalf("Claim to adopt = %v, %v", other, err)
				}
				other.Put([]byte("3"))
				time.Sleep(lag)
				synctest.Wait()
				reads("when another process goes on", "r-3=3")
			})
		})
	}
}

// A losing store takes claims away.
type losingStore struct {
	snapshot.Store
	lost chan struct{}
}

func (l losingStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	claim, entry, err := l.Store.Claim(ctx, topic, opts)
	return losingClaim{claim, l.lost}, entry, err
}

type losingClaim struct {
	snapshot.Claim
	lost chan struct{}
}

func (l losingClaim) Lost() <-chan struct{} { return l.lost }

// What a process has put is not read any more once its claim is lost: others may write the topic.
func TestWhatIsLostIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := snapshot.NewMemory()
		f := newFixture(t, losingStore{inner, make(chan struct{})})
		claim := f.claim(t, f, "a", "r")
		claim.Put([]byte("1"))
		a := f.hub.Topic("a", sse.TopicOptions{})
		a.Publish(sse.Event{ID: "r-5", Data: []byte("another's")}) // who adopted it, with all in between skipped
		if got := show(f.Latest(a)); got != "r-1=1" {
			t.Errorf("the newest event is %s, want what this process put", got)
		}
		close(f.inner.(losingStore).lost)
		if got := show(f.Latest(a)); got != "r-5=another's" {
			t.Errorf("once the claim is lost, the newest event is %s, want that of the topic", got)
		}
	})
}

// Whoever stops can wait until the topics have the ends of what it has finished.
func TestHeard(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, open())
				for _, topic := range []string{"a", "b"} {
					if err := f.claim(t, f, topic, "r").Finish(t.Context(), []byte("end"), time.Hour); err != nil {
						t.Error(err)
					}
				}
				f.claim(t, f, "c", "r").Put([]byte("goes on"))
				if name == "Distant" {
					ctx, cancel := context.WithTimeout(t.Context(), lag/2)
					defer cancel()
					if err := f.Heard(ctx); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Heard = %v before the store has told, want its context's error", err)
					}
				}
				if err := f.Heard(t.Context()); err != nil {
					t.Error(err)
				}
				for _, name := range []string{"a", "b"} {
					if topic, ok := f.hub.Lookup(name); !ok || !topic.Ended() {
						t.Errorf("topic %s has not ended", name)
					}
				}
			})
		})
	}
}

var errDown = errors.New("down")

// A brokenStore cannot hold an end.
type brokenStore struct{ snapshot.Store }

func (b brokenStore) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	claim, entry, err := b.Store.Claim(ctx, topic, opts)
	return brokenClaim{claim}, entry, err
}

type brokenClaim struct{ snapshot.Claim }

func (brokenClaim) Finish(context.Context, []byte, time.Duration) error { return errDown }

// An end that is not stored is not read either.
func TestAnEndThatIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, brokenStore{snapshot.NewMemory()})
		claim := f.claim(t, f, "a", "r")
		claim.Put([]byte("1"))
		if err := claim.Finish(t.Context(), []byte("2"), time.Hour); !errors.Is(err, errDown) {
			t.Errorf("Finish = %v, want %v", err, errDown)
		}
		if got := show(f.Latest(f.hub.Topic("a", sse.TopicOptions{}))); got != "r-1=1" {
			t.Errorf("the newest event is %s, want what the store has", got)
		}
		if err := f.Heard(t.Context()); err != nil {
			t.Errorf("Heard = %v, want not to wait", err)
		}
	})
}

// slow is a store in which an end takes until go is closed.
type slow struct {
	snapshot.Store
	begun, goOn chan struct{}
}

type slowClaim struct {
	snapshot.Claim
	of slow
}

func (s slow) Claim(ctx context.Context, topic string, opts snapshot.ClaimOptions) (snapshot.Claim, snapshot.Entry, error) {
	claim, e, err := s.Store.Claim(ctx, topic, opts)
	return slowClaim{claim, s}, e, err
}

func (c slowClaim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	close(c.of.begun)
	<-c.of.goOn
	return c.Claim.Finish(ctx, data, retention)
}

// Nobody is told of an end that the store does not have yet: the process may die before it has.
func TestAnEndIsReadWhenItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		inner := slow{snapshot.NewMemory(), make(chan struct{}), make(chan struct{})}
		f := newFixture(t, inner)
		a := f.hub.Topic("a", sse.TopicOptions{})
		claim := f.claim(t, f.Store, "a", "R")
		claim.Put([]byte("1"))
		ended := make(chan error, 1)
		go func() { ended <- claim.Finish(ctx, []byte("end"), time.Minute) }()
		<-inner.begun
		if got, want := show(f.Latest(a)), "R-1=1"; got != want {
			t.Errorf("while the end is being stored Latest is %s, want %s", got, want)
		}
		close(inner.goOn)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got, want := show(f.Latest(a)), "R-end=end"; got != want {
			t.Errorf("when the end is stored Latest is %s, want %s", got, want)
		}
	})
}

// Whoever has read an end in the topic does not read an older state afterwards.
func TestAnEndIsReadBeforeItIsTold(t *testing.T) {
	store := own.New(snapshot.NewMemory())
	hub := sse.NewHub(t.Context(), nil)
	topic := hub.Topic("a", sse.TopicOptions{})
	synced := make(chan struct{})
	told := ""
	go store.ForHub().Follow(t.Context(), func(e snapshot.Entry) {
		if e.State == snapshot.Final {
			told = show(store.Latest(topic)) // readers of the topic are told now
		}
	}, func() { close(synced) })
	<-synced
	claim, _, err := store.Claim(t.Context(), "a", snapshot.ClaimOptions{Run: "R"})
	if err != nil {
		t.Fatal(err)
	}
	claim.Put([]byte("1"))
	if err := claim.Finish(t.Context(), []byte("end"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if want := "R-end=end"; told != want {
		t.Errorf("while the end is told, Latest is %s, want %s", told, want)
	}
}

// A disk is one that fails: nothing waits for it.
type disk struct {
	*snapshot.Memory
	err error
}

func (d *disk) Stored(context.Context) error { return d.err }

// What a disk does not take is not stored, though its followers know it.
func TestStoredOnADiskThatFails(t *testing.T) {
	d := &disk{snapshot.NewMemory(), errors.New("disk full")}
	f := newFixture(t, d)
	f.claim(t, f.Store, "a", "A").Put([]byte("1"))
	if err := f.Stored(t.Context(), "a"); !errors.Is(err, d.err) {
		t.Errorf("Stored = %v, want %v", err, d.err)
	}
}

// What was written last is stored when the follower has heard of it, and never if somebody else has the topic.
func TestStored(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer func() { cancel(); synctest.Wait() }()
				process := snapshottest.NewProcess(open())
				f := newFixture(t, process)
				if err := f.Stored(ctx, "a"); !errors.Is(err, snapshot.ErrLost) {
					t.Errorf("without a claim: %v, want ErrLost", err)
				}
				c := f.claim(t, f.Store, "a", "A")
				for i := range 3 {
					c.Put(fmt.Appendf(nil, "%d", i))
					if err := f.Stored(ctx, "a"); err != nil {
						t.Fatal(err)
					}
					if got := show(f.hub.Topic("a", sse.TopicOptions{}).Latest()); got != fmt.Sprintf("A-%d=%d", i+1, i) {
						t.Errorf("the topic has %s after put %d was stored", got, i)
					}
				}
				process.Cut()
				c.Put([]byte("3"))
				bounded, done := context.WithTimeout(ctx, time.Second)
				defer done()
				if err := f.Stored(bounded, "a"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("while the store is out of reach: %v, want that time is over", err)
				}
				waits := make(chan error, 1)
				go func() { waits <- f.Stored(ctx, "a") }()
				synctest.Wait()
				process.Lose()
				if err := <-waits; !errors.Is(err, snapshot.ErrLost) {
					t.Errorf("of a claim that is lost: %v, want ErrLost", err)
				}
				process.Heal()
			})
		})
	}
}
