package smartpoll_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// Law: whatever is pushed and removed, the heap is in order, and its first entry
// is that of a sorted slice.
func FuzzHeap(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 128, 129, 130})
	f.Add([]byte{9, 9, 9, 8, 8, 8, 130, 129, 128, 1, 255})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var h smartpoll.Heap
		type pair struct {
			at int64
			n  int
		}
		var model []pair
		for n, op := range ops {
			if op < 128 {
				h.Push(n, int64(op%32))
				model = append(model, pair{int64(op % 32), n})
			} else if len(model) > 0 {
				i := int(op) % len(model)
				h.Remove(model[i].n)
				model = slices.Delete(model, i, i+1)
			}
			if wrong := h.Check(); wrong != "" {
				t.Fatalf("after %v: %s", ops[:n+1], wrong)
			}
			if h.Len() != len(model) {
				t.Fatalf("after %v: Len() = %d, want %d", ops[:n+1], h.Len(), len(model))
			}
			if len(model) > 0 {
				_, got := h.Min()
				want := slices.MinFunc(model, func(a, b pair) int { return int(a.at - b.at) }).at
				if got != want {
					t.Fatalf("after %v: Min() = %d, want %d", ops[:n+1], got, want)
				}
			}
		}
	})
}

func TestPitfallPostponementsDoNotGrowTheHeap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, smartpoll.WithTask("a", nothing), smartpoll.WithTask("b", nothing))
		r := run(s)
		synctest.Wait()
		for n := range 50_000 {
			s.Schedule("a", time.Hour+time.Duration(n))
			s.Schedule("b", time.Hour-time.Duration(n))
		}
		if got := smartpoll.TimedLen(s); got != 2 {
			t.Errorf("after 100,000 postponements of 2 keys the heap holds %d entries, want 2", got)
		}
		r.stop()
	})
}
