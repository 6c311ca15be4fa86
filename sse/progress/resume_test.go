package progress_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a client gets that comes back, by the last id that it had and by what became of the topic.
func TestResume(t *testing.T) {
	const nothing = "nothing until the next event"
	for _, test := range []struct{ lastID, running, retained, gone string }{
		// RUN is the id of the topic's run. The numbers are statuses, the rest is the data of the first event.
		{"", "2", "end", "404"},
		{"malformed", "2", "end", "404"},
		{"OTHER-1", "2", "end", "404"},
		{"RUN-1", "2", "end", "404"},
		{"RUN-2", nothing, "end", "404"},
		{"RUN-3", "2", "end", "404"},
		{"OTHER-end", "2", "end", "204"},
		{"RUN-end", "2", "204", "204"},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t)
			job := mustStart(t, f.Tracker, "a")
			lastID := strings.Replace(test.lastID, "RUN", job.ID(), 1)
			get := func() string {
				s := f.open(t, "a", lastID)
				defer s.Close()
				switch s.Response.StatusCode {
				case http.StatusNoContent:
					return "204"
				case http.StatusNotFound:
					return "404"
				}
				time.AfterFunc(time.Second, func() { s.Close() })
				for {
					ev, err := s.Next()
					if err != nil {
						return nothing
					}
					if ev.Data != nil {
						return strings.Trim(string(ev.Data), `"`)
					}
				}
			}
			job.Publish(1)
			job.Publish(2)
			if got := get(); got != test.running {
				t.Errorf("with last id %q a running topic gives %s, want %s", test.lastID, got, test.running)
			}
			job.Finish("end")
			if got := get(); got != test.retained {
				t.Errorf("with last id %q a retained topic gives %s, want %s", test.lastID, got, test.retained)
			}
			time.Sleep(retention)
			synctest.Wait()
			if got := get(); got != test.gone {
				t.Errorf("with last id %q a topic that is gone gives %s, want %s", test.lastID, got, test.gone)
			}
		})
	}
}
