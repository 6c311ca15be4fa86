package debug_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/smartpoll/debug"
)

// The JSON of the handler, as a client reads it.
type (
	status struct {
		At   time.Time
		Loop struct {
			State string
			Hook  *struct {
				ID, Key string
				Since   time.Time
			}
		}
		Tasks []task
	}
	task struct {
		ID, Key, Type, State string
		Paused               bool
		Pauses               []struct{ Of, Reason string }
		Next, Started, Ended time.Time
		Overdue              float64 `json:"overdue_ms"`
		Took                 float64 `json:"took_ms"`
		Late                 float64 `json:"late_ms"`
		Held                 float64 `json:"held_ms"`
		Runs, Skipped        uint64
		Failures             int
		Error                string
		ErrorAt              time.Time `json:"error_at"`
	}
)

// get asks h for what target names, and wants the status code.
func get(t testing.TB, h http.Handler, target string, want int) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	if w.Code != want {
		t.Fatalf("GET %s = %d %s, want %d", target, w.Code, w.Body, want)
	}
	return w
}

// post acts on a task as a program does, and wants the status code.
func post(t testing.TB, h http.Handler, id, action string, want int) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, form("/?format=json", id, action))
	if w.Code != want {
		t.Fatalf("POST %s of %s = %d %s, want %d", action, id, w.Code, w.Body, want)
	}
	return w
}

func form(target, id, action string) *http.Request {
	r := httptest.NewRequest("POST", target, strings.NewReader(url.Values{"task": {id}, "action": {action}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// look returns the state of things.
func look(t testing.TB, h http.Handler, query string) status {
	t.Helper()
	var s status
	w := get(t, h, "/?format=json"+query, http.StatusOK)
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return s
}

// find returns the task with the key.
func find(t testing.TB, h http.Handler, key string) task {
	t.Helper()
	s := look(t, h, "")
	for _, task := range s.Tasks {
		if task.Key == key {
			return task
		}
	}
	t.Fatalf("no task %s in %+v", key, s)
	return task{}
}

func keys(tasks []task) string {
	var all []string
	for _, task := range tasks {
		all = append(all, task.Key)
	}
	return strings.Join(all, " ")
}

// run has f test a scheduler that runs, in a bubble. It ends when f has returned.
func run(t *testing.T, f func(t *testing.T, s *smartpoll.Scheduler, h http.Handler), options ...smartpoll.Option) {
	synctest.Test(t, func(t *testing.T) {
		s, err := smartpoll.New(append(options, smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}))...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		defer func() {
			cancel()
			<-ended
		}()
		f(t, s, debug.Handler(s, nil))
	})
}

// takes is a task that takes its time.
func takes(d time.Duration) smartpoll.Task {
	return func(ctx context.Context) (smartpoll.TaskHook, error) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		return nil, nil
	}
}
