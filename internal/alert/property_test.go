package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse/progress"
)

// A lossyShelf keeps records. What is not waited for may be lost when the process is killed.
type lossyShelf struct {
	mu      sync.Mutex // guards the fields below
	disk    map[string]string
	waiting []func(map[string]string)
	closed  bool
}

func (s *lossyShelf) Each(_ context.Context, f func(key string, record []byte)) error {
	for key, record := range s.disk {
		f(key, []byte(record))
	}
	return nil
}

func (s *lossyShelf) Keep(key string, record []byte, _ bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.waiting = append(s.waiting, func(disk map[string]string) {
			if record == nil {
				delete(disk, key)
			} else {
				disk[key] = string(record)
			}
		})
	}
}

func (s *lossyShelf) Kept(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeLocked(len(s.waiting))
	return nil
}

func (s *lossyShelf) writeLocked(n int) {
	for _, write := range s.waiting[:n] {
		write(s.disk)
	}
	s.waiting = s.waiting[n:]
}

// next is what the next process finds, if the last records are lost.
func (s *lossyShelf) next(lost int) *lossyShelf {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeLocked(max(0, len(s.waiting)-lost))
	s.closed = true
	return &lossyShelf{disk: maps.Clone(s.disk)}
}

// A fakeReceiver does with a message what its mode says.
type fakeReceiver struct {
	world *world
	name  string
}

func (r *fakeReceiver) Kind() string                        { return "fake" }
func (r *fakeReceiver) Show(notify.Message) (string, error) { return "", nil }

func (r *fakeReceiver) Send(ctx context.Context, _ *http.Client, m notify.Message) error {
	var mode string
	r.world.set(func() { mode = r.world.modes[r.name] })
	if ctx.Err() != nil {
		return &notify.Error{Err: ctx.Err()}
	}
	var takes time.Duration
	var err error
	got := mode != "down" && mode != "refuses" && mode != "lost"
	switch mode {
	case "late":
		takes = 7 * time.Second
	case "down":
		err = &notify.Error{Err: errors.New("down")}
	case "refuses":
		err = &notify.Error{Permanent: true, Err: errors.New("refused")}
	case "lost", "hangs":
		takes, err = 10*time.Second, &notify.Error{Err: errors.New("no answer")}
	}
	failed := r.world.called(r.name, m, got, err != nil)
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		failed()
		err = &notify.Error{Err: ctx.Err()}
	}
	return err
}

// A world is one process after the other that watches sources and a job and tells receivers, in a bubble. It keeps a log of
// what happens.
type world struct {
	t      *testing.T
	random *rand.Rand
	seed   uint64
	shelf  *lossyShelf
	alerts map[string]*config.Alert // by the key of the source; none: it has no alert
	job    *config.JobAlert
	known  map[string]bool // the receivers that are configured
	modes  map[string]string
	quiet  []*config.Quiet
	values map[string]int

	scheduler *smartpoll.Scheduler
	service   *alert.Service
	monitors  map[string]*alert.Monitor
	jobs      *alert.JobMonitor
	silences  map[string]wire.Silence
	runs      int
	end       func()

	mu  sync.Mutex // guards the log, and all that calls and changes of alerts look at; see set
	log []event
}

// set changes what calls and changes of alerts look at.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

var subjects = map[string]alert.Subject{
	"source/a": {Key: "source/a", Name: "a", Title: "A", Upstream: "plant", Secrets: secret.New()},
	"source/b": {Key: "source/b", Name: "b", Title: "B", Upstream: "plant", Secrets: secret.New()},
	"source/c": {Key: "source/c", Name: "c", Title: "C", Secrets: secret.New()},
}

var jobSubject = alert.Subject{Key: "job/j", Name: "j", Title: "J", Secrets: secret.New()}

var allReceivers = []string{"lead", "ops"}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 7)), shelf: &lossyShelf{disk: map[string]string{}},
		alerts: map[string]*config.Alert{}, known: map[string]bool{"ops": true, "lead": true}, modes: map[string]string{},
		values: map[string]int{}, silences: map[string]wire.Silence{},
	}
	if seed%5 == 0 {
		w.quiet = load(t, "quiet: [{at: '*/7 * * * *', for: 2m, of: all}]").Quiet
	}
	for key := range subjects {
		w.alerts[key] = w.anAlert()
	}
	w.job = w.aJobAlert()
	w.start(false)
	t.Cleanup(func() { w.end() })
	return w
}

func (w *world) notifies() (all []*config.Notify) {
	for _, name := range allReceivers {
		if w.known[name] && w.random.IntN(4) > 0 {
			all = append(all, w.receiver(name))
		}
	}
	return all
}

func (w *world) receiver(name string) *config.Notify {
	return &config.Notify{Name: name, GroupWait: 5 * time.Second, Receiver: &fakeReceiver{w, name}}
}

func (w *world) anAlert() *config.Alert {
	a := &config.Alert{If: program(w.t, []string{". > 90", ". >= 91"}[w.random.IntN(2)]), Notify: w.notifies()}
	if w.random.IntN(3) == 0 {
		a.For, a.ClearFor = 20*time.Second, 10*time.Second
	}
	if w.random.IntN(2) == 0 {
		a.Repeat = config.Repeat{Every: time.Minute, Limit: w.random.IntN(3)}
	}
	return a
}

func (w *world) aJobAlert() *config.JobAlert {
	a := &config.JobAlert{On: []config.Reason{config.ReasonFailed, config.ReasonSlow, config.ReasonMissed}, Notify: w.notifies()}
	if w.random.IntN(2) == 0 {
		a.Repeat = config.Repeat{Every: time.Minute}
	}
	return a
}

// start begins a process, for which records may be lost.
func (w *world) start(lost bool) {
	w.t.Helper()
	var err error
	if w.scheduler, err = smartpoll.New(smartpoll.WithDynamic()); err != nil {
		w.t.Fatal(err)
	}
	w.service = alert.New(alert.Deps{
		Scheduler: w.scheduler, Log: slog.New(slog.DiscardHandler), Clock: clock.New(),
		Changed: func(key, state, _ string) { w.changed(key, state) },
	})
	if err := w.service.Restore(w.t.Context(), w.shelf); err != nil {
		w.t.Fatal(err)
	}
	w.configure()
	w.service.SetQuiet(w.quiet)
	w.monitors, w.jobs = map[string]*alert.Monitor{}, nil
	for key, a := range w.alerts {
		w.addTask(key)
		w.monitors[key] = w.service.Monitor(subjects[key], a, nil)
		w.monitors[key].Resume()
	}
	w.jobs = w.service.Job(jobSubject, w.job)
	w.jobs.Resume()
	w.service.Forget()
	for id := range w.silences {
		if !slices.ContainsFunc(w.service.Silences(), func(s wire.Silence) bool { return s.ID == id }) {
			delete(w.silences, id) // it was over, or lost
		}
	}
	for _, key := range keysOfWorld() { // what happened just before may be lost with its record
		if is := w.alert(key); lost {
			w.add(event{
				what: "lost", key: key, fires: is != nil && is.State == wire.AlertFiring,
				acknowledged: is != nil && is.Acknowledged != nil,
			})
		}
	}
	w.end = running(w.t, w.scheduler)
}

func (w *world) configure() {
	var all []*config.Notify
	for _, name := range allReceivers {
		if w.known[name] {
			all = append(all, w.receiver(name))
		}
	}
	w.service.SetReceivers(all)
}

func (w *world) addTask(key string) {
	scheduler := w.scheduler
	if err := scheduler.Add(alert.Key(key), func(context.Context) (smartpoll.TaskHook, error) {
		return func(context.Context, *smartpoll.Internal) error {
			var m *alert.Monitor
			var value json.RawMessage
			w.set(func() { m, value = w.monitors[key], w.value(key) })
			if m != nil {
				m.Elapse(alert.Reading{OK: true, Value: value})
			}
			return nil
		}, nil
	}); err != nil && !errors.Is(err, smartpoll.ErrTaskExists) {
		w.t.Fatal(err)
	}
}

func (w *world) value(key string) json.RawMessage { return fmt.Append(nil, w.values[key]) }

// restart ends the process, and begins the next one after a while. As many of the last records are lost.
func (w *world) restart(lost int, flush bool, away time.Duration) {
	if !flush {
		w.shelf = w.shelf.next(lost)
	}
	w.end()
	if flush {
		w.service.Flush(w.t.Context())
		w.shelf = w.shelf.next(0)
	}
	w.add(event{what: "restart"})
	time.Sleep(away)
	w.start(lost > 0)
}

// keysOfTown are the keys of all that may have an alert.
func keysOfWorld() []string { return append(slices.Sorted(maps.Keys(subjects)), jobSubject.Key) }

// alert is how an alert is.
func (w *world) alert(key string) *wire.Alert {
	if key == jobSubject.Key {
		return w.jobs.Alert()
	}
	return w.monitors[key].Alert()
}

// reload changes the alert of a source; nil removes it.
func (w *world) reload(key string, to *config.Alert) {
	before, told := w.monitors[key], w.wanted(key)
	if to == nil {
		w.set(func() {
			delete(w.alerts, key)
			delete(w.monitors, key)
		})
		before.End("")
	} else {
		w.addTask(key)
		next := w.service.Monitor(subjects[key], to, nil)
		w.set(func() { w.alerts[key], w.monitors[key] = to, next })
		next.TakeOver(before)
	}
	w.leaves(key, told)
}

// leaves notes which receivers are not to be told of an alert any more.
func (w *world) leaves(key string, told []string) {
	for _, name := range told {
		if !slices.Contains(w.wanted(key), name) {
			w.add(event{what: "unwanted", key: key, to: name})
		}
	}
}

// gets is a poll that gets a value.
func (w *world) gets(key string, value int) {
	w.set(func() { w.values[key] = value })
	if m := w.monitors[key]; m != nil {
		m.Transition(alert.Reading{OK: true, Polled: true, Value: w.value(key)}, m.Evaluate(w.t.Context(), float64(value)))
	}
}

// ends is an end of a run of the job.
func (w *world) ends(status progress.Status) {
	w.runs++
	w.jobs.Ended(wire.Run{ID: fmt.Sprint("run", w.runs), Status: status, FinishedAt: new(time.Now().UTC())})
}

func (w *world) add(h event) {
	h.at = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, h)
}

// silenced reports whether an alert is silenced now.
func (w *world) silenced(key string) bool {
	of, ok := subjects[key]
	if !ok {
		of = jobSubject
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.silences {
		if (s.Of == key || s.Of == wire.SilenceAll || s.Of == wire.UpstreamKey(of.Upstream)) && s.Until.After(time.Now()) {
			return true
		}
	}
	until, _ := alert.QuietUntil(w.quiet, of, time.Now())
	before, _ := alert.QuietUntil(w.quiet, of, time.Now().Add(-time.Millisecond))
	return !until.IsZero() && !before.IsZero() // what happens at the time at which it begins may be told
}

// wanted are the receivers that are to be told of an alert.
func (w *world) wanted(key string) (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*config.Notify
	if a := w.alerts[key]; a != nil {
		all = a.Notify
	} else if key == jobSubject.Key {
		all = w.job.Notify
	}
	for _, to := range all {
		if w.known[to.Name] {
			names = append(names, to.Name)
		}
	}
	return names
}

func (w *world) changed(key, state string) {
	h := event{what: state, key: key, silenced: w.silenced(key)}
	if state == notify.Firing {
		h.wanted = w.wanted(key)
	}
	w.add(h)
}

// called notes a call, and returns what notes that it failed.
func (w *world) called(to string, m notify.Message, got, fails bool) (failed func()) {
	for _, i := range m.Alerts {
		w.add(event{
			what: "call", key: i.Key, to: to, id: m.ID, state: m.State, again: m.Again, got: got, failed: fails,
			earlier: i.Earlier, silenced: w.silenced(i.Key),
		})
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := range w.log {
			if w.log[i].id == m.ID {
				w.log[i].failed = true
			}
		}
	}
}

// look notes what is silenced that was not.
func (w *world) look(was map[string]bool) map[string]bool {
	is := map[string]bool{}
	for _, key := range keysOfWorld() {
		if is[key] = w.silenced(key); is[key] && !was[key] {
			w.add(event{what: "silenced", key: key})
		}
	}
	return is
}

// sleep lets time pass.
func (w *world) sleep(seconds int, was map[string]bool) map[string]bool {
	for range seconds {
		time.Sleep(time.Second)
		was = w.look(was)
	}
	synctest.Wait()
	return was
}

// step does something.
func (w *world) step() string {
	keys := slices.Sorted(maps.Keys(subjects))
	key := keys[w.random.IntN(len(keys))]
	to := allReceivers[w.random.IntN(len(allReceivers))]
	switch w.random.IntN([]int{16, 40}[w.seed%2]) { // most steps of a half are values
	case 0:
		lost := max(0, w.random.IntN(7)-3)
		w.restart(lost, false, time.Duration(w.random.IntN(60))*time.Second)
		return fmt.Sprint("kill, with the loss of ", lost)
	case 1:
		w.restart(0, true, time.Duration(w.random.IntN(60))*time.Second)
		return "stop"
	case 2, 3:
		mode := []string{"", "down", "refuses", "lost", "hangs", "late"}[w.random.IntN(6)]
		w.set(func() { w.modes[to] = mode })
		return to + " is " + mode
	case 4:
		a := w.anAlert()
		w.reload(key, a)
		return "another alert of " + key + " " + fmt.Sprint(w.wanted(key))
	case 5:
		if w.alerts[key] == nil {
			return ""
		}
		w.reload(key, nil)
		return "no alert of " + key
	case 6:
		if w.random.IntN(3) > 0 {
			return ""
		}
		w.set(func() { w.known[to] = !w.known[to] })
		if !w.known[to] {
			w.add(event{what: "dropped", to: to})
		}
		w.configure()
		for _, key := range keys {
			if w.alerts[key] != nil {
				w.reload(key, w.anAlert())
			}
		}
		before, told, next := w.jobs, w.wanted(jobSubject.Key), w.aJobAlert()
		w.set(func() { w.job = next })
		w.jobs = w.service.Job(jobSubject, next)
		w.jobs.TakeOver(before)
		w.leaves(jobSubject.Key, told)
		return fmt.Sprint(to, " is configured: ", w.known[to])
	case 7, 8:
		of := []string{key, wire.UpstreamKey("plant"), wire.SilenceAll, jobSubject.Key}[w.random.IntN(4)]
		s, err := w.service.Silence(wire.Silence{Of: of, Until: time.Now().Add(time.Duration(1+w.random.IntN(100)) * time.Second)})
		if err != nil {
			w.t.Fatal(err)
		}
		w.set(func() { w.silences[s.ID] = s })
		return "silence of " + of
	case 9:
		for id := range w.silences {
			w.set(func() { delete(w.silences, id) })
			_ = w.service.EndSilence(id, "me") // or it is over
			break
		}
		return "end of a silence"
	case 10:
		key = append(keys, jobSubject.Key)[w.random.IntN(len(keys)+1)]
		if _, err := w.service.Acknowledge(key, "me", ""); err == nil {
			w.add(event{what: "acknowledged", key: key})
		}
		return "acknowledge " + key
	case 11, 12:
		switch w.random.IntN(4) {
		case 0:
			w.ends(progress.StatusFailed)
			return "a run fails"
		case 1:
			w.jobs.Slow(wire.Run{ID: fmt.Sprint("run", w.runs+1)})
			return "a run is slow"
		case 2:
			w.jobs.Missed(time.Now(), "busy")
			return "a run is missed"
		}
		w.ends(progress.StatusSucceeded)
		return "a run succeeds"
	}
	value := 50 + 45*w.random.IntN(2)
	w.gets(key, value)
	return fmt.Sprint(key, " is ", value)
}

func TestWhatReceiversAreToldOverAllThatHappens(t *testing.T) {
	scripts := uint64(100)
	if testing.Short() {
		scripts = 50
	}
	for seed := range scripts {
		if testScript(t, seed); t.Failed() {
			return
		}
	}
}

func testScript(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, seed)
		silenced := w.look(nil)
		var diary []string
		for range 40 {
			diary = append(diary, fmt.Sprintf("%v %s", time.Since(epoch), w.step()))
			synctest.Wait()
			if most := w.service.Longest(); most > 3 {
				t.Errorf("seed %d: %d messages about one alert wait, want 3 at most\nafter\n%s", seed, most, strings.Join(diary, "\n"))
				return
			}
			silenced = w.look(silenced)
			silenced = w.sleep(w.random.IntN([]int{2, 20, 60}[seed%3]), silenced)
		}
		for _, name := range allReceivers {
			w.set(func() { w.modes[name] = "" })
		}
		for id := range maps.Clone(w.silences) {
			w.set(func() { delete(w.silences, id) })
			_ = w.service.EndSilence(id, "me")
		}
		w.set(func() { w.quiet = nil })
		w.service.SetQuiet(nil)
		for range 4 { // longer than any backoff
			for _, key := range slices.Sorted(maps.Keys(subjects)) {
				w.gets(key, max(50, w.values[key]))
			}
			silenced = w.sleep(6*60, silenced)
		}
		if faults := check(w.log, w.wanted); len(faults) > 0 {
			t.Errorf("seed %d:\n%s\nafter\n%s\nlog\n%s", seed, strings.Join(faults, "\n"), strings.Join(diary, "\n"), describe(w.log))
		}
		if all := w.service.Alerts(); slices.ContainsFunc(all.Receivers, func(r wire.Receiver) bool { return r.FailingSince != nil && r.Waiting > 0 }) {
			t.Errorf("seed %d: a receiver fails still: %+v\nafter\n%s\nlog\n%s", seed, all.Receivers, strings.Join(diary, "\n"), describe(w.log))
		}
	})
}

// epoch is when a bubble begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func FuzzWhatReceiversAreTold(f *testing.F) {
	f.Add(uint64(0))
	f.Fuzz(testScript)
}
