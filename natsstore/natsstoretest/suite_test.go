package natsstoretest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// closing is how long a store may take to give up what it holds when its test ends: those that are cut off hold nothing.
const closing = 200 * time.Millisecond

// open opens a store that is closed with the test.
func open(t testing.TB, options natsstore.Options) *natsstore.Store {
	t.Helper()
	if testing.Verbose() && os.Getenv("NATSSTORE_LOG") != "" {
		options.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("store", options.Prefix)
	}
	s, err := natsstore.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closing)
		defer cancel()
		_ = s.Close(ctx)
	})
	return s
}

// ready waits until a store knows the stream.
func ready(t testing.TB, s *natsstore.Store) *natsstore.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint("R", n), func(t *testing.T) {
			t.Parallel()
			snapshottest.Run(t, func(t *testing.T) snapshot.Store {
				return ready(t, open(t, natsstore.Options{URL: use(t, n).url(), Prefix: prefix(), Replicas: n}))
			})
		})
	}
}

func TestShared(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint("R", n), func(t *testing.T) {
			t.Parallel()
			snapshottest.RunShared(t, func(t *testing.T) snapshottest.Shared {
				c, name := use(t, n), prefix()
				lines := make(map[snapshot.Store]*proxy)
				next := 0
				return snapshottest.Shared{
					Open: func(t *testing.T) snapshot.Store {
						p := newProxy(t, c.servers[next%n].addr())
						next++
						// Servers do not lose their leader here, so a short lease does.
						s := ready(t, open(t, natsstore.Options{URL: p.url(), Prefix: name, Replicas: n, Lease: 2 * time.Second}))
						lines[s] = p
						return s
					},
					Kill: func(_ *testing.T, s snapshot.Store) { lines[s].cutLine() },
					Cut:  func(_ *testing.T, s snapshot.Store) { lines[s].cutLine() },
					Heal: func(_ *testing.T, s snapshot.Store) { lines[s].heal() },
					Wipe: func(t *testing.T) { c.wipe(t, name) },
				}
			})
		})
	}
}
