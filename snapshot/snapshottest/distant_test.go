package snapshottest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

func TestDistant(t *testing.T) {
	snapshottest.RunInBubble(t, func(*testing.T) snapshot.Store {
		return snapshottest.Distant(snapshot.NewMemory(), 50*time.Millisecond)
	})
}

// Followers hear of each change 50 ms later, in order, but of a claim before it returns.
func TestDistantIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		store := snapshottest.Distant(snapshot.NewMemory(), 50*time.Millisecond)
		var mu sync.Mutex
		var told []string
		tell := func(e snapshot.Entry) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(e.Topic, " ", e.State, " ", string(e.Data)))
		}
		over := make(chan struct{})
		go func() {
			defer close(over)
			_ = store.Follow(ctx, tell, nil)
		}()
		synctest.Wait()
		tells := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(told, want) {
				t.Errorf("%s the follower has heard %q, want %q", when, told, want)
			}
			told = nil
		}
		a, _, err := store.Claim(ctx, "a", snapshot.ClaimOptions{})
		if err != nil {
			t.Fatal(err)
		}
		tells("after a claim", "a live ")
		a.Put([]byte("1"))
		a.Put([]byte("2"))
		b, _, err := store.Claim(ctx, "b", snapshot.ClaimOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b.Put([]byte("3"))
		tells("after another claim", "b live ")
		if _, e, err := store.Claim(ctx, "b", snapshot.ClaimOptions{}); err != nil || string(e.Data) != "3" {
			t.Errorf("the entry to join is %v, %v, want the newest", e, err)
		}
		tells("when it is joined", "b live 3")
		time.Sleep(20 * time.Millisecond)
		if err := a.Finish(ctx, []byte("end"), time.Hour); err != nil {
			t.Error(err)
		}
		time.Sleep(29 * time.Millisecond)
		tells("49 ms after the puts")
		time.Sleep(time.Millisecond)
		tells("50 ms after the puts", "a live 1", "a live 2")
		time.Sleep(20 * time.Millisecond)
		tells("50 ms after the end", "a final end")
		cancel()
		<-over
	})
}
