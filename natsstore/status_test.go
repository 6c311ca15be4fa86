package natsstore

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What changes all the time is logged once in a while, and how it is in the end always.
func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &Store{opts: Options{Logger: slog.New(slog.NewTextHandler(&out, nil))}}
		lines := func(what string, want ...string) {
			t.Helper()
			got := strings.Split(strings.TrimSpace(out.String()), "\n")
			ok := len(got) == len(want)
			for i := 0; ok && i < len(want); i++ {
				ok = strings.Contains(got[i], want[i])
			}
			if !ok {
				t.Errorf("%s the log has\n%s\nwant %q", what, &out, want)
			}
			out.Reset()
		}
		s.note(&s.writing, errors.New("full"))
		lines("at the first fault", "full")
		for i := range 1000 {
			s.note(&s.writing, nil)
			if i%2 == 0 {
				s.note(&s.writing, errors.New("full"))
			}
			time.Sleep(25 * time.Millisecond)
		}
		lines("after 25 s of the same", "works again", "full")
		for range 15 {
			s.note(&s.checking, nil)
			time.Sleep(time.Second)
		}
		lines("in the end", "works again")
	})
}
