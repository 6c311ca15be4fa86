package debug_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/smartpoll/debug"
)

func TestActions(t *testing.T) {
	run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
		id := find(t, h, "tank").ID
		answer := func(w *httptest.ResponseRecorder) (got task) {
			t.Helper()
			synctest.Wait()
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.ID != id {
				t.Errorf("answer %s (%v), want task %s", w.Body, err, id)
			}
			return got
		}
		s.Schedule("tank", time.Hour)
		if got := answer(post(t, h, id, "pause", 200)); !got.Paused || got.State != "waiting" {
			t.Errorf("paused %+v, want it paused and waiting", got)
		}
		if got := post(t, h, id, "run", 409).Body.String(); !strings.Contains(got, "tank is paused") {
			t.Errorf("run of what is paused: %s, want to be told so", got)
		}
		if got := answer(post(t, h, id, "resume", 200)); got.Paused {
			t.Errorf("resumed %+v, want it not paused", got)
		}
		if got := post(t, h, id, "cancel", 409).Body.String(); !strings.Contains(got, "tank is not running") {
			t.Errorf("cancel of what does not run: %s, want to be told so", got)
		}
		answer(post(t, h, id, "run", 200))
		if got := find(t, h, "tank"); got.State != "running" || got.Runs != 1 || !got.Next.IsZero() {
			t.Errorf("run %+v, want it running instead of in an hour", got)
		}
		answer(post(t, h, id, "cancel", 200))
		if got := find(t, h, "tank"); got.State != "idle" || got.Runs != 1 {
			t.Errorf("cancelled %+v, want it idle", got)
		}
		post(t, h, id, "explode", 400)
		post(t, h, "", "run", 404)
		s.Remove("tank")
		if got := post(t, h, id, "run", 404); got.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(got.Body.String(), "tank was removed") {
			t.Errorf("run of what was removed: %v %s, want a problem that says so", got.Header(), got.Body)
		}
		for _, action := range []string{"pause", "resume", "cancel"} {
			post(t, h, id, action, 404)
		}
		if got := look(t, h, ""); len(got.Tasks) != 0 {
			t.Errorf("tasks %+v, want none", got.Tasks)
		}
		post(t, h, id, "run", 404)
	}, smartpoll.WithTask("tank", takes(time.Minute)))
}

// What the program has paused stays so, whatever people do here, and the page says why.
func TestPausesOfTheProgram(t *testing.T) {
	group := smartpoll.NewGroup(smartpoll.GroupConfig{})
	run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
		id := find(t, h, "tank").ID
		s.PauseAll("<standby>")
		group.Pause("maintenance")
		s.Pause("tank")
		post(t, h, id, "resume", 200)
		post(t, h, id, "pause", 200)
		const words = "without a reason, by hand, maintenance (its group), &lt;standby&gt; (all tasks)"
		page := get(t, h, "/", 200).Body.String()
		if !strings.Contains(page, "Paused: "+words) || !strings.Contains(page, `value="resume"`) {
			t.Errorf("page %s, want it to say %q, and to offer to resume", page, words)
		}
		if got := post(t, h, id, "run", 409).Body.String(); !strings.Contains(got, "maintenance (its group)") {
			t.Errorf("run of what is paused: %s, want to be told why", got)
		}
		post(t, h, id, "resume", 200)
		if got := fmt.Sprint(find(t, h, "tank").Pauses); got != "[{task } {group maintenance} {all <standby>}]" {
			t.Errorf("resumed by hand, the pauses are %s, want those of the program", got)
		}
		if page := get(t, h, "/", 200).Body.String(); strings.Contains(page, `value="resume"`) {
			t.Errorf("page %s, want no button that would not help", page)
		}
	}, smartpoll.WithTask("tank", takes(0), smartpoll.In(group)))
}

type (
	named  string
	person struct{ name string }
	same   int
)

func (same) String() string { return "same" }

// TestKeys: whatever can be a key can be named, shown and acted on, however much it
// looks like another one.
func TestKeys(t *testing.T) {
	pointer, twin := &person{"a"}, &person{"a"}
	all := []any{nil, "1", 1, int64(1), uint8(1), 1.5, named("1"), "", " ", "a\u202eb\n", "<b>&\"'", true, person{"a"}, pointer, twin,
		same(1), same(2), [2]int{1, 2}, make(chan int), context.Background(), complex(1, 2), strings.Repeat("long", 10000)}
	run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
		var added []any
		for _, key := range all {
			if err := s.Add(key, takes(0)); err == nil {
				added = append(added, key)
			} else if key != nil {
				t.Fatal(err)
			}
		}
		tasks := look(t, h, "").Tasks
		if len(tasks) != len(added) {
			t.Fatalf("%d tasks, want %d", len(tasks), len(added))
		}
		paused := func() (n int, last any) {
			for info := range s.Tasks() {
				if info.Paused {
					n, last = n+1, info.Key
				}
			}
			return n, last
		}
		seen := map[any]bool{}
		for _, task := range tasks {
			post(t, h, task.ID, "pause", 200)
			n, key := paused()
			if n != 1 || seen[key] || debug.KeyText(key) != task.Key || fmt.Sprintf("%T", key) != task.Type {
				t.Errorf("pausing %+v paused %d tasks, the last %T %v, want the one it names", task, n, key, key)
			}
			seen[key] = true
			post(t, h, task.ID, "resume", 200)
			if len(task.Key) > 3000 || strings.TrimSpace(task.Key) == "" || strings.ContainsAny(task.Key, "\n\u202e") || strings.HasPrefix(task.Key, "&{") {
				t.Errorf("key %q, want it legible, and not what a pointer points to", task.Key)
			}
		}
		if got := find(t, h, "1.5"); got.ID != tasks[3].ID {
			t.Errorf("order %s, want numbers first, by value", keys(tasks))
		}
	})
}

// TestIDs: an id stays what it is for as long as its task is there, and is
// unknown to another handler.
func TestIDs(t *testing.T) {
	run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
		id := find(t, h, "a").ID
		if again := find(t, h, "a").ID; again != id {
			t.Errorf("ids %s, then %s, want the same", id, again)
		}
		other := debug.Handler(s, nil)
		if got := find(t, other, "a").ID; got == id {
			t.Errorf("two handlers name a task %s", id)
		}
		post(t, other, id, "pause", 404)
		s.Remove("a")
		look(t, h, "")
		if err := s.Add("a", takes(0)); err != nil {
			t.Fatal(err)
		}
		if got := find(t, h, "a").ID; got == id {
			t.Errorf("a task that was added has the id %s of one that was removed", id)
		}
	}, smartpoll.WithTask("a", takes(0)))
}

func TestWhoMayAct(t *testing.T) {
	s, err := smartpoll.New(smartpoll.WithTask("a", takes(0)))
	if err != nil {
		t.Fatal(err)
	}
	h := debug.Handler(s, nil)
	id := find(t, h, "a").ID
	paused := func() bool { info, _ := s.Info("a"); return info.Paused }
	send := func(h http.Handler, r *http.Request, want int) *httptest.ResponseRecorder {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s %s = %d %s, want %d", r.Method, r.URL, w.Code, w.Body, want)
		}
		return w
	}
	r := form("/", id, "pause")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	send(h, r, 403)
	r = form("/", id, "pause")
	r.Header.Set("Origin", "https://elsewhere.example")
	send(h, r, 403)
	send(h, httptest.NewRequest("GET", "/?action=pause&task="+id, nil), 200)
	send(h, httptest.NewRequest("POST", "/?action=pause&task="+id, nil), 404)
	if got := send(h, httptest.NewRequest("DELETE", "/", nil), 405).Header().Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow = %q, want GET, HEAD, POST", got)
	}
	r = form("/", id, "pause")
	r.Body = http.NoBody
	send(h, r, 404)
	r = form("/", strings.Repeat("x", 5000), "pause")
	send(h, r, 400)

	reader := debug.Handler(s, &debug.Options{ReadOnly: true})
	id = find(t, reader, "a").ID
	w := send(reader, form("/", id, "pause"), 405)
	if got := w.Header().Get("Allow"); got != "GET, HEAD" || strings.Contains(w.Body.String(), "<button") {
		t.Errorf("read only: Allow = %q, page %s, want no POST and no button", got, w.Body)
	}
	if paused() {
		t.Error("the task is paused, want it left alone")
	}
	r = form("/some/where?show=paused", find(t, h, "a").ID, "pause")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if got := send(http.StripPrefix("/some", h), r, 303).Header().Get("Location"); got != "?show=paused" || !paused() {
		t.Errorf("Location = %q, paused %v, want the same page by a relative address, and true", got, paused())
	}
}

func TestFormat(t *testing.T) {
	s, err := smartpoll.New(smartpoll.WithTask("a", takes(0)))
	if err != nil {
		t.Fatal(err)
	}
	h := debug.Handler(s, nil)
	for _, c := range []struct{ target, accept, want string }{
		{"/", "", "text/html; charset=utf-8"},
		{"/", "*/*", "text/html; charset=utf-8"},
		{"/", "text/html,application/json", "text/html; charset=utf-8"},
		{"/", "application/json", "application/json"},
		{"/?format=json", "text/html", "application/json"},
		{"/?format=html", "application/json", "text/html; charset=utf-8"},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		r.Header.Set("Accept", c.accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); got != c.want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s with Accept %q: %v, want %s, not to be stored", c.target, c.accept, w.Header(), c.want)
		}
	}
	get(t, h, "/?format=xml", http.StatusBadRequest)
}

func TestNilScheduler(t *testing.T) {
	defer func() {
		if got, want := fmt.Sprint(recover()), "smartpoll/debug: Handler needs a scheduler"; got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()
	debug.Handler(nil, nil)
}

// TestComeAndGo has tasks come and go while people look and act: whatever is
// answered, nothing panics.
func TestComeAndGo(t *testing.T) {
	s, err := smartpoll.New(smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	h := debug.Handler(s, nil)
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := range 200 {
				key := i % 5
				if n%2 == 0 {
					s.Add(key, takes(0))
					s.Remove(key)
					continue
				}
				s.Add(key, takes(0))
				for _, task := range look(t, h, "").Tasks {
					for _, action := range []string{"pause", "resume", "run", "cancel"} {
						h.ServeHTTP(httptest.NewRecorder(), form("/?format=json", task.ID, action))
					}
				}
			}
		})
	}
	all.Wait()
	cancel()
	<-ended
}
