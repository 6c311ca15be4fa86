package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/idempotency"
)

const (
	maxKeys    = 1000
	maxOwnKeys = 100
)

// keys are Keys that lead to numbers, of which those in gone are forgotten.
type keys struct {
	*idempotency.Keys[string, int]
	gone map[int]bool
}

func newKeys() keys {
	k := keys{gone: map[int]bool{}}
	k.Keys = idempotency.New[string](idempotency.Options[int]{
		Known: func(n int) bool { return !k.gone[n] }, Max: maxKeys, MaxOwn: maxOwnKeys,
	})
	return k
}

// do asks for what a key leads to; n is that if it is the first.
func (k keys) do(caller, key string, n int) (got int, first bool) {
	got, first, err := k.Do(context.Background(), idempotency.Key[string]{Caller: caller, Key: key}, idempotency.Of(nil),
		func() (int, error) { return n, nil })
	if err != nil {
		panic(err)
	}
	return got, first
}

// has reports whether a key is remembered.
func (k keys) has(caller, key string) bool {
	none := errors.New("none")
	_, first, _ := k.Do(context.Background(), idempotency.Key[string]{Caller: caller, Key: key}, idempotency.Of(nil),
		func() (int, error) { return 0, none })
	return !first
}

func TestDo(t *testing.T) {
	k := newKeys()
	key := idempotency.Key[string]{Caller: "ann", Scope: "scan", Key: "k"}
	do := func(key idempotency.Key[string], content string, n int, failure error) string {
		got, first, err := k.Do(t.Context(), key, idempotency.Of([]byte(content)), func() (int, error) { return n, failure })
		return fmt.Sprintln(got, first, err)
	}
	other := errors.New("no paper")
	for i, test := range []struct{ got, want string }{
		{do(key, "a", 1, other), "1 true no paper\n"},
		{do(key, "a", 2, nil), "2 true <nil>\n"}, // what failed is not remembered
		{do(key, "a", 3, nil), "2 false <nil>\n"},
		{do(key, "b", 3, nil), "2 false idempotency: the key was used for another request\n"},
		{do(idempotency.Key[string]{Caller: "bob", Scope: "scan", Key: "k"}, "b", 4, nil), "4 true <nil>\n"},
		{do(idempotency.Key[string]{Caller: "ann", Scope: "copy", Key: "k"}, "b", 5, nil), "5 true <nil>\n"},
	} {
		if test.got != test.want {
			t.Errorf("call %d returns %s, want %s", i, test.got, test.want)
		}
	}
	k.gone[2] = true
	if got := do(key, "b", 6, nil); got != "6 true <nil>\n" {
		t.Errorf("a key of something forgotten returns %s, want a new start", got)
	}
}

// Of many calls at once one starts; the others wait, each as long as its context.
func TestOneOfManyStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeys()
		key := idempotency.Key[string]{Key: "k"}
		var starts atomic.Int64
		start := func() (int, error) {
			time.Sleep(time.Minute)
			if n := starts.Add(1); n > 1 {
				return int(n), nil
			}
			return 0, errors.New("the first one fails")
		}
		var firsts, failed atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				got, first, err := k.Do(t.Context(), key, idempotency.Of(nil), start)
				if err != nil {
					failed.Add(1)
					return
				}
				if first {
					firsts.Add(1)
				}
				if got != 2 {
					t.Errorf("led to %d, want 2", got)
				}
			})
		}
		synctest.Wait()
		if _, _, err := k.Do(t.Context(), key, idempotency.Of([]byte("x")), start); err != idempotency.ErrReused {
			t.Errorf("another request meanwhile: %v, want ErrReused", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := k.Do(ctx, key, idempotency.Of(nil), start); err != context.DeadlineExceeded {
			t.Errorf("without the patience: %v", err)
		}
		wg.Wait()
		if firsts.Load() != 1 || failed.Load() != 1 || starts.Load() != 2 {
			t.Errorf("%d starts, %d first, %d failed, want 2, 1, 1", starts.Load(), firsts.Load(), failed.Load())
		}
	})
}

// A start that panics leaves nobody waiting.
func TestStartThatPanics(t *testing.T) {
	k := newKeys()
	func() {
		defer func() { _ = recover() }()
		_, _, _ = k.Do(t.Context(), idempotency.Key[string]{Key: "k"}, idempotency.Of(nil), func() (int, error) { panic("x") })
	}()
	if got, first := k.do("", "k", 2); got != 2 || !first {
		t.Errorf("then %d, %v, want a new start", got, first)
	}
}

// A caller who makes up keys forgets their own, not those of others; all together are bounded, too.
func TestKeysOfOneCallerDisplaceTheirOwn(t *testing.T) {
	keys := newKeys()
	keys.do("ann", "k", 1)
	for i := range 2 * maxKeys {
		keys.do("bob", strconv.Itoa(i), 2)
	}
	if got := keys.Len(); got != maxOwnKeys+1 {
		t.Errorf("%d keys of two callers, want %d", got, maxOwnKeys+1)
	}
	if !keys.has("ann", "k") || !keys.has("bob", strconv.Itoa(2*maxKeys-1)) || keys.has("bob", "0") {
		t.Error("want ann's key and bob's newest, but not bob's oldest")
	}
	for i := range 2 * maxKeys {
		keys.do(strconv.Itoa(i), "k", 3)
	}
	if got, callers := keys.Len(), idempotency.Callers(keys.Keys); got != maxKeys || callers != got {
		t.Errorf("%d keys of %d callers, want %d", got, callers, maxKeys)
	}
}

// Forgotten keys leave before older ones that count.
func TestForgottenKeysLeaveFirst(t *testing.T) {
	keys := newKeys()
	keys.do("bob", "first", 1)
	for i := range maxOwnKeys - 1 {
		keys.do("bob", strconv.Itoa(i), 2)
	}
	keys.gone[2] = true
	keys.do("bob", "next", 3)
	if !keys.has("bob", "first") || keys.Len() != 2 {
		t.Errorf("%d keys, and the first: %v, want 2 and it", keys.Len(), keys.has("bob", "first"))
	}
	keys.gone[1], keys.gone[3] = true, true
	keys.do("ann", "k", 4)
	if keys.Len() != 1 || idempotency.Callers(keys.Keys) != 1 {
		t.Errorf("%d keys of %d callers when all but one are forgotten", keys.Len(), idempotency.Callers(keys.Keys))
	}
}

// What an earlier process has left is found as if it had been done here, within the same bounds.
func TestRestore(t *testing.T) {
	k := newKeys()
	restore := func(key string, n int) {
		k.Restore(idempotency.Key[string]{Caller: "ann", Key: key}, idempotency.Of(nil), n)
	}
	restore("k", 1)
	restore("k", 2)
	if got, first := k.do("ann", "k", 3); got != 1 || first {
		t.Errorf("Do = %d, %t, want the 1 that was restored", got, first)
	}
	other := idempotency.Key[string]{Caller: "ann", Key: "k"}
	if _, _, err := k.Do(t.Context(), other, idempotency.Of([]byte("x")), nil); !errors.Is(err, idempotency.ErrReused) {
		t.Errorf("Do of another request = %v, want %v", err, idempotency.ErrReused)
	}
	k.gone[1] = true
	if got, first := k.do("ann", "k", 4); got != 4 || !first {
		t.Errorf("Do after the result was forgotten = %d, %t, want a new one", got, first)
	}
	for i := range 2 * maxOwnKeys {
		restore(strconv.Itoa(i), i)
	}
	if n := k.Len(); n != maxOwnKeys {
		t.Errorf("%d keys are kept, want %d", n, maxOwnKeys)
	}
}

// The keys of a scope can be dropped, and those of other scopes stay.
func TestDrop(t *testing.T) {
	k := newKeys()
	key := func(scope string) idempotency.Key[string] {
		return idempotency.Key[string]{Caller: "ann", Scope: scope, Key: "k"}
	}
	k.Restore(key("a"), idempotency.Of(nil), 1)
	k.Restore(key("b"), idempotency.Of(nil), 2)
	k.Drop("a")
	k.Restore(key("a"), idempotency.Of(nil), 3)
	for scope, want := range map[string]int{"a": 3, "b": 2} {
		if got, _, err := k.Do(t.Context(), key(scope), idempotency.Of(nil), nil); got != want || err != nil {
			t.Errorf("Do of %s = %d, %v, want %d", scope, got, err, want)
		}
	}
}

// A key of which is not known what it was used for finds its result for each request.
func TestRestoreAny(t *testing.T) {
	k := newKeys()
	key := idempotency.Key[string]{Caller: "a", Key: "k"}
	k.RestoreAny(key, 7)
	for _, content := range []string{"", "x"} {
		got, first, err := k.Do(t.Context(), key, idempotency.Of([]byte(content)), func() (int, error) { return 8, nil })
		if got != 7 || first || err != nil {
			t.Errorf("Do = %d, %v, %v, want the result that was restored", got, first, err)
		}
	}
}
