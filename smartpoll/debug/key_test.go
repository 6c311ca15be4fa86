package debug_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// slowKey is a key whose first String waits until release is closed.
type slowKey struct{ first, release chan struct{} }

func (k slowKey) String() string {
	select {
	case k.first <- struct{}{}:
		<-k.release
	default:
	}
	return "slow"
}

// A request that began before a task was added does not take back the id that another one has given
// it meanwhile; that of a task that is gone is forgotten.
func TestIDsOutliveRequestsThatBeganEarlier(t *testing.T) {
	run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
		k := slowKey{make(chan struct{}), make(chan struct{})}
		if err := s.Add(k, takes(0)); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			look(t, h, "")
		}()
		<-k.first // that has its list, and formats it
		if err := s.Add("new", takes(time.Second)); err != nil {
			t.Fatal(err)
		}
		before := find(t, h, "new").ID
		close(k.release)
		<-ended
		post(t, h, before, "run", http.StatusOK)
		if after := find(t, h, "new").ID; after != before {
			t.Errorf("the id of a task was %s and is %s, want it to stay", before, after)
		}
		s.Remove("new")
		look(t, h, "")
		post(t, h, before, "run", http.StatusNotFound)
	})
}
