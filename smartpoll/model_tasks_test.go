package smartpoll_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// modelTask is what the model knows of a task.
type modelTask struct {
	key, inc int // which of those that had the key
	// Options.
	headStart time.Duration
	overlap   smartpoll.OverlapPolicy
	every     time.Duration // 0: no Schedule
	missed    smartpoll.MissedPolicy
	retry     time.Duration // 0: none, and no failures

	smartpoll.TaskInfo
	ready, running, dropped bool
	at, ends, due, from     time.Time
	began                   time.Time
	pending, caughtUp       int
	makesUp                 bool
	reasons                 map[string]bool // why it is itself paused
	grouped                 bool            // in the group that is paused
}

// model is a scheduler that is simple enough to be believed, at one instant: hooks
// take no time, and no two things happen at once.
type model struct {
	now   time.Time
	room  int
	tasks map[int]*modelTask
	gone  []*modelTask // removed ones that still run
	line  []*modelTask
	inc   int

	observed bool // Ended is known
	// Those of the group, and of all tasks.
	pauses [2]struct {
		reasons map[string]bool
		held    []*modelTask
	}
}

// run is what the nth invocation of a task does.
type modelRun struct {
	takes     time.Duration
	stubborn  bool
	fails     bool
	hook      bool
	schedules time.Duration // what its hook does
}

func (k *modelTask) run(n uint64) (r modelRun) {
	p := rand.New(rand.NewPCG(uint64(k.key*1000+k.inc), n))
	r.takes, r.stubborn = 3*pause(p), p.IntN(3) == 0
	r.fails, r.hook = k.retry > 0 && p.IntN(3) == 0, p.IntN(2) == 0
	if r.schedules = pause(p); p.IntN(3) == 0 {
		r.schedules = 0
	}
	return r
}

func (m *model) add(key int) *modelTask {
	m.inc++
	k := &modelTask{key: key, inc: m.inc, TaskInfo: smartpoll.TaskInfo{Key: key}, reasons: make(map[string]bool), grouped: key%3 == 0}
	switch p := rand.New(rand.NewPCG(uint64(m.inc), 1)); key % 8 {
	case 0:
		k.headStart = pause(p)
	case 1:
		k.overlap = smartpoll.Skip
	case 2:
		k.overlap = smartpoll.Replace
	case 3:
		k.overlap = smartpoll.Queue(3)
	case 4:
		k.every = pause(p) + time.Millisecond
	case 5:
		k.every, k.missed = pause(p)+time.Millisecond, smartpoll.MissedSkip
	case 6:
		k.every, k.missed, k.retry = pause(p)+time.Millisecond, smartpoll.MissedAll(2), time.Millisecond+pause(p)
	case 7:
		k.every, k.overlap = pause(p)+20*time.Millisecond, smartpoll.Replace
	}
	m.tasks[key] = k
	return k
}

// task returns the real one.
func (k *modelTask) task(group *smartpoll.Group) (any, smartpoll.Task, []smartpoll.TaskOption) {
	opts := []smartpoll.TaskOption{smartpoll.Overlap(k.overlap), smartpoll.Missed(k.missed)}
	if k.headStart > 0 {
		opts = append(opts, smartpoll.HeadStart(k.headStart))
	}
	if k.every > 0 {
		opts = append(opts, smartpoll.On(smartpoll.Every(k.every)))
	}
	if k.retry > 0 {
		opts = append(opts, smartpoll.Retry(smartpoll.Backoff{Min: k.retry, Max: k.retry, Jitter: -1}))
	}
	if k.grouped {
		opts = append(opts, smartpoll.In(group))
	}
	n := uint64(0)
	return k.key, func(ctx context.Context) (hook, error) {
		n++
		r := k.run(n)
		if r.stubborn {
			time.Sleep(r.takes)
		} else {
			select {
			case <-time.After(r.takes):
			case <-ctx.Done():
			}
		}
		switch {
		case r.fails:
			return nil, errFlaky
		case !r.hook:
			return nil, nil
		}
		return func(_ context.Context, i *internal) error { i.Schedule(k.key, r.schedules); return nil }, nil
	}, opts
}

func (m *model) running(key int) bool {
	return slices.ContainsFunc(m.gone, func(k *modelTask) bool { return k.key == key }) || m.tasks[key] != nil && m.tasks[key].running
}

func (m *model) clear(k *modelTask) {
	m.dequeue(k)
	k.Next, k.ready, k.pending = time.Time{}, false, 0
	k.from, k.makesUp = time.Time{}, false
}

func (m *model) queue(k *modelTask) {
	if !k.ready || len(k.reasons) > 0 || m.running(k.key) {
		return
	}
	line := m.pauseOf(k)
	if line == nil {
		line = &m.line
	}
	if k.headStart == 0 {
		for _, o := range *line {
			if o.headStart == 0 && o.at.After(k.at) {
				k.at = o.at
			}
		}
	}
	*line = append(*line, k)
}

// pauseOf returns the line of the pause that holds k, or nil.
func (m *model) pauseOf(k *modelTask) *[]*modelTask {
	switch {
	case len(m.pauses[1].reasons) > 0:
		return &m.pauses[1].held
	case k.grouped && len(m.pauses[0].reasons) > 0:
		return &m.pauses[0].held
	}
	return nil
}

// dequeue takes k out of wherever it waits.
func (m *model) dequeue(k *modelTask) {
	for _, line := range []*[]*modelTask{&m.line, &m.pauses[0].held, &m.pauses[1].held} {
		*line = slices.DeleteFunc(*line, func(o *modelTask) bool { return o == k })
	}
}

// pause holds all tasks, or those in the group.
func (m *model) pause(n int, reason string) {
	m.pauses[n].reasons[reason] = true
	for _, k := range inOrder(m.line) {
		if line := m.pauseOf(k); line != nil {
			m.dequeue(k)
			m.queue(k)
		}
	}
}

// inOrder returns those in line: first those without a head start.
func inOrder(line []*modelTask) []*modelTask {
	return slices.SortedStableFunc(slices.Values(line), func(a, b *modelTask) int {
		return cmp.Compare(min(a.headStart, 1), min(b.headStart, 1))
	})
}

func (m *model) lift(n int, reason string) {
	p := &m.pauses[n]
	if !p.reasons[reason] {
		return
	}
	if delete(p.reasons, reason); len(p.reasons) > 0 {
		return
	}
	for len(p.held) > 0 {
		k := first(p.held)
		m.dequeue(k)
		m.resume(k)
	}
}

// resume continues with k after a pause.
func (m *model) resume(k *modelTask) {
	if k.ready && (len(k.reasons) > 0 || m.pauseOf(k) != nil || !m.overdue(k)) {
		m.queue(k)
	}
}

// first returns the first one in line, or who overtakes it.
func first(line []*modelTask) (k *modelTask) {
	for _, o := range line {
		if o.headStart == 0 {
			k = o
			break
		}
	}
	var best *modelTask
	for _, o := range line {
		if o.headStart > 0 && (best == nil || o.at.Add(-o.headStart).Before(best.at.Add(-best.headStart))) {
			best = o
		}
	}
	if k == nil || best != nil && best.at.Add(-best.headStart).Before(k.at) {
		k = best
	}
	return k
}

func (m *model) again(k *modelTask) {
	switch {
	case k.overlap <= 0:
	case k.pending < int(k.overlap)-1:
		k.pending++
	default:
		k.Skipped++
	}
}

func (m *model) set(k *modelTask, t time.Time, inHook bool) {
	if !t.After(m.now) && k.ready {
		k.Next = t
		m.again(k)
		return
	}
	m.clear(k)
	k.Next, k.at = t, t
	if !t.After(m.now) {
		m.overdue(k)
		m.promote(k, inHook)
	}
}

// overdue notes that it is noticed late that k is due, and tells whether it is skipped.
func (m *model) overdue(k *modelTask) bool {
	if k.every == 0 || m.now.Sub(k.Next) <= time.Second {
		return false
	}
	switch {
	case k.missed == smartpoll.MissedOnce:
		k.from = m.now
	case k.missed > 0 && !k.makesUp:
		k.makesUp = true
		k.caughtUp++
	case k.missed == smartpoll.MissedSkip && k.Next.Equal(k.due):
		m.clear(k)
		k.Skipped++
		m.plan(k)
		return true
	}
	return false
}

func (m *model) promote(k *modelTask, inHook bool) {
	if k.running && !inHook {
		switch k.overlap {
		case smartpoll.Skip:
			k.Skipped++
			m.clear(k)
			return
		case smartpoll.Replace:
			m.drop(k)
		}
	}
	k.ready = true
	m.queue(k)
}

func (m *model) drop(k *modelTask) bool {
	if !k.running || k.dropped {
		return false
	}
	k.dropped = true
	if !k.run(k.Runs).stubborn {
		k.ends = m.now
	}
	return true
}

func (m *model) plan(k *modelTask) {
	if k.every == 0 || !k.Next.IsZero() {
		return
	}
	if k.due.IsZero() {
		k.due = m.now
	}
	next := k.due.Add(k.every)
	var from time.Time
	caughtUp := 0
	if !next.After(m.now) {
		switch {
		case k.missed == smartpoll.MissedOnce:
			from = m.now
		case k.missed > 0 && k.caughtUp < int(k.missed):
			caughtUp = k.caughtUp + 1
		default:
			for ; !next.After(m.now); next = next.Add(k.every) {
				k.Skipped++
			}
			next = m.now.Add(k.every)
		}
	}
	k.due = next
	m.set(k, next, true)
	k.from, k.makesUp, k.caughtUp = from, caughtUp > 0, caughtUp
}

// everyOrNone is the Schedule of a modelTask.
func everyOrNone(every time.Duration) smartpoll.Schedule {
	if every == 0 {
		return nil
	}
	return smartpoll.Every(every)
}

func (m *model) setSchedule(k *modelTask, every time.Duration) {
	before := k.every
	k.every = every
	if k.ready || !k.Next.IsZero() && !k.Next.Equal(k.due) || every == 0 && before == 0 {
		return
	}
	from := m.now
	if before > 0 && !k.Next.IsZero() {
		from = k.due.Add(-before)
	}
	m.clear(k)
	if k.running && k.overlap != smartpoll.Replace {
		if before == 0 {
			k.due = k.began
		}
		return
	}
	if every == 0 {
		return
	}
	k.due, k.caughtUp = from.Add(every), 0
	if k.due.Before(m.now) {
		k.due = m.now
	}
	m.set(k, k.due, false)
}

// settle starts what can be started.
func (m *model) settle() {
	for {
		running := len(m.gone)
		for _, k := range m.tasks {
			if k.running {
				running++
			}
		}
		if len(m.line) == 0 || running >= m.room {
			return
		}
		k := first(m.line)
		m.line = slices.DeleteFunc(m.line, func(o *modelTask) bool { return o == k })
		k.Runs++
		k.began = m.now
		k.running, k.dropped, k.ends, k.due = true, false, m.now.Add(k.run(k.Runs).takes), k.Next
		if !k.from.IsZero() {
			k.due = k.from
		}
		k.from, k.makesUp = time.Time{}, false
		if k.pending > 0 {
			k.pending--
		} else {
			k.ready, k.Next = false, time.Time{}
			if k.overlap == smartpoll.Replace {
				k.due = time.Time{}
				m.plan(k)
			}
		}
	}
}

// advance lets everything happen until t.
func (m *model) advance(t time.Time) {
	for {
		m.settle()
		var k *modelTask
		var at time.Time
		earlier := func(o *modelTask, t time.Time) {
			if k == nil || t.Before(at) {
				k, at = o, t
			}
		}
		for _, o := range append(slices.Collect(values(m.tasks)), m.gone...) {
			if o.running {
				earlier(o, o.ends)
			}
			if !o.Next.IsZero() && !o.ready {
				earlier(o, o.Next)
			}
		}
		if k == nil || at.After(t) {
			m.now = t
			return
		}
		m.now = at
		if !k.running || k.ends != at {
			m.promote(k, false)
			continue
		}
		if r := k.run(k.Runs); m.tasks[k.key] == k {
			switch {
			case k.dropped:
			case r.fails:
				k.Failures++
				k.Err, k.ErrAt = errFlaky, m.now
				if k.Next.IsZero() {
					m.set(k, m.now.Add(k.retry), true)
				}
			default:
				if k.Failures = 0; r.hook {
					if r.schedules > 0 || !k.ready {
						m.set(k, m.now.Add(r.schedules), true)
					} else {
						m.again(k)
					}
				}
			}
			m.plan(k)
		}
		k.running, k.Ended = false, m.now
		m.gone = slices.DeleteFunc(m.gone, func(o *modelTask) bool { return o == k })
		if heir := m.tasks[k.key]; heir != nil {
			m.queue(heir)
		}
	}
}

func values(tasks map[int]*modelTask) func(func(*modelTask) bool) {
	return func(yield func(*modelTask) bool) {
		for _, k := range tasks {
			if !yield(k) {
				return
			}
		}
	}
}

// info completes what the model says.
func (m *model) info(k *modelTask) smartpoll.TaskInfo {
	info := k.TaskInfo
	info.Paused = len(k.reasons) > 0 || m.pauseOf(k) != nil
	switch {
	case m.running(k.key):
		info.State = smartpoll.Running
	case k.ready:
		info.State = smartpoll.Ready
	case !info.Next.IsZero():
		info.State = smartpoll.Waiting
	default:
		info.State = smartpoll.Idle
	}
	return info
}

// Random calls of all methods, on tasks with all options: after each, what Info says
// of every key is what the model says.
func TestModelOfTasks(t *testing.T) {
	for seed := range 24 {
		synctest.Test(t, func(t *testing.T) { modelOfTasks(t, uint64(seed)) })
	}
}

func modelOfTasks(t *testing.T, seed uint64) {
	const keys = 16
	r := rand.New(rand.NewPCG(seed, 0))
	group, reasons := smartpoll.NewGroup(smartpoll.GroupConfig{}), []string{"a", "b"}
	m := &model{now: time.Now(), room: 1 + r.IntN(6), tasks: make(map[int]*modelTask), inc: int(seed) * 1000}
	options := []smartpoll.Option{smartpoll.WithDynamic(), smartpoll.WithMaxRunning(m.room), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour})}
	if m.observed = seed%2 == 0; m.observed {
		options = append(options, smartpoll.WithObserver(&smartpoll.Observer{}))
	}
	s := mustNew(t, options...)
	for n := range m.pauses {
		m.pauses[n].reasons = make(map[string]bool)
	}
	for range 2 { // Runs
		real := run(s)
		for _, k := range m.tasks {
			m.plan(k)
		}
		synctest.Wait()
		for step := range 150 {
			d := pause(r)
			time.Sleep(d)
			m.advance(m.now.Add(d))
			key, d := r.IntN(keys), 2*pause(r)
			var x interface {
				scheduler
				manager
			} = s
			op := r.IntN(24)
			do := func() {
				k := m.tasks[key]
				if reason := reasons[r.IntN(2)]; op >= 16 {
					switch op {
					case 16:
						group.Pause(reason)
						m.pause(0, reason)
					case 17, 20, 21:
						group.Resume(reason)
						m.lift(0, reason)
					case 18:
						x.PauseAll(reason)
						m.pause(1, reason)
					case 19, 22, 23:
						x.ResumeAll(reason)
						m.lift(1, reason)
					}
					return
				}
				if k == nil {
					if op < 7 {
						key, task, opts := m.add(key).task(group)
						mustAdd(t, x, key, task, opts...)
						m.plan(m.tasks[key.(int)])
					} else if x.Remove(key) {
						t.Errorf("Remove() of an unknown key = true")
					}
					return
				}
				switch op {
				case 0, 1, 2:
					x.Schedule(key, 0)
					if k.ready {
						m.again(k)
					} else {
						m.set(k, m.now, false)
					}
				case 3:
					x.Schedule(key, d)
					m.set(k, m.now.Add(d), false)
				case 4:
					if r.IntN(3) == 0 {
						x.Schedule(key, -1)
						m.clear(k)
					}
				case 5, 6:
					at := m.now.Add(d - 40*time.Millisecond)
					x.ScheduleAtSooner(key, at)
					switch {
					case !k.Next.IsZero() && !at.Before(k.Next):
					case k.ready:
						k.Next = at
					default:
						m.set(k, at, false)
					}
				case 7:
					if got := x.StopTimer(key); got != k.ready {
						t.Errorf("StopTimer() = %v, want %v", got, k.ready)
					}
					if !k.ready {
						m.clear(k)
					}
				case 8:
					if got, want := x.Cancel(key), m.drop(k); got != want {
						t.Errorf("Cancel() = %v, want %v", got, want)
					}
				case 9:
					given := reasons[:r.IntN(3)]
					x.Pause(key, given...)
					for _, reason := range orEmpty(given) {
						k.reasons[reason] = true
					}
					m.dequeue(k)
				case 10, 11, 12:
					was := len(k.reasons) > 0
					given := reasons[:r.IntN(3)]
					x.Resume(key, given...)
					for _, reason := range orEmpty(given) {
						delete(k.reasons, reason)
					}
					if was && len(k.reasons) == 0 {
						m.resume(k)
					}
				case 13:
					x.Remove(key)
					m.clear(k)
					if m.drop(k); k.running {
						m.gone = append(m.gone, k)
					}
					delete(m.tasks, key)
				case 14, 15:
					d := time.Duration(0)
					if r.IntN(3) > 0 {
						d = pause(r) + time.Millisecond
					}
					x.SetSchedule(key, everyOrNone(d))
					m.setSchedule(k, d)
				}
			}
			if r.IntN(3) == 0 {
				if err := s.Do(t.Context(), func(_ context.Context, i *internal) error { x = i; do(); return nil }); err != nil {
					t.Errorf("Do() = %v, want nil", err)
				}
			} else {
				do()
			}
			synctest.Wait()
			m.advance(m.now)
			compare(t, s, m, fmt.Sprintf("seed %d, step %d, operation %d on %d", seed, step, op, key))
		}
		if got := real.stop(); got != context.Canceled {
			t.Fatalf("Run() = %v, want %v", got, context.Canceled)
		}
		stopped := m.now
		m.now, m.gone = time.Now(), nil
		for _, k := range m.tasks {
			switch {
			case !k.running:
			case k.run(k.Runs).stubborn:
				k.Ended = k.ends
			default:
				k.Ended = stopped
			}
			m.clear(k)
			k.running, k.Failures, k.due, k.caughtUp = false, 0, time.Time{}, 0
		}
		compare(t, s, m, fmt.Sprintf("seed %d, after Run", seed))
	}
}

// holds is how many pauses hold k.
func (m *model) holds(k *modelTask) int {
	n := len(k.reasons) + len(m.pauses[1].reasons)
	if k.grouped {
		n += len(m.pauses[0].reasons)
	}
	return n
}

func orEmpty(given []string) []string {
	if len(given) == 0 {
		return []string{""}
	}
	return given
}

func compare(t *testing.T, s *smartpoll.Scheduler, m *model, when string) {
	t.Helper()
	if wrong := smartpoll.Check(s); wrong != "" {
		t.Fatalf("%s: %s", when, wrong)
	}
	n := 0
	for got := range s.Tasks() {
		n++
		k := m.tasks[got.Key.(int)]
		if k == nil {
			t.Fatalf("%s: %v is known, want it removed", when, got.Key)
		}
		want := m.info(k)
		if n := len(got.Pauses); n != m.holds(k) {
			t.Fatalf("%s: %v holds %v, want %d", when, got.Pauses, got.Key, m.holds(k))
		}
		if !m.observed {
			want.Ended = time.Time{}
		}
		if !got.Ended.Equal(want.Ended) || !got.ErrAt.Equal(want.ErrAt) {
			t.Fatalf("%s: %v has ended %v and failed %v, want %v and %v", when, got.Key, got.Ended, got.ErrAt, want.Ended, want.ErrAt)
		}
		got.Ended, got.ErrAt = want.Ended, want.ErrAt
		got.Started, got.Late, got.Held, got.Took, got.Pauses = time.Time{}, 0, 0, 0, nil
		if !got.Next.Equal(want.Next) {
			t.Fatalf("%s: Next of %v = %v, want %v", when, got.Key, got.Next, want.Next)
		}
		if got.Next = want.Next; !reflect.DeepEqual(got, want) {
			t.Fatalf("%s:\ngot  %+v\nwant %+v", when, got, want)
		}
	}
	running := len(m.gone)
	for _, k := range m.tasks {
		if k.running {
			running++
		}
	}
	if got, want := s.Counts(), (smartpoll.Counts{Tasks: len(m.tasks), Running: running, Ready: len(m.line)}); got != want {
		t.Fatalf("%s: Counts() = %+v, want %+v", when, got, want)
	}
	if n != len(m.tasks) {
		t.Fatalf("%s: %d tasks, want %d", when, n, len(m.tasks))
	}
}
