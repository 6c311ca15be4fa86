package forward_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/forward"
)

// The newest states are published, when that is possible, and nothing waits for it.
func TestForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := forward.Open(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
		var (
			mu   sync.Mutex // guards got
			got  []string
			down atomic.Bool
		)
		f.Written("source/a", []byte("0")) // nobody gets it
		f.To(func(ctx context.Context, name string, data []byte) error {
			if down.Load() {
				<-ctx.Done()
				return errors.New("it hangs")
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, fmt.Sprintf("%s=%s", name, data))
			return nil
		})
		wants := func(when, want string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if text := strings.Join(got, " "); text != want {
				t.Errorf("%s: published %q, want %q", when, text, want)
			}
			got = nil
		}
		f.Written("source/a.b", []byte("1"))
		wants("at first", "source.a.b=1")
		f.Written("run/x", []byte("1"))
		f.Written("job/a", []byte("2"))
		wants("a run", "job.a=2")
		down.Store(true)
		for i := range 1000 {
			f.Written("source/a", fmt.Append(nil, i))
			time.Sleep(time.Second)
		}
		wants("while nothing can be published", "")
		down.Store(false)
		time.Sleep(10 * time.Second)
		wants("after that", "source.a=999")
		if n := strings.Count(log.String(), "level=WARN"); n != 1 || strings.Count(log.String(), "again") != 1 {
			t.Errorf("the log is\n%s", &log)
		}
		f.Written("job/a", []byte("3"))
		f.Close(t.Context())
		wants("at the end", "job.a=3")
	})
}
