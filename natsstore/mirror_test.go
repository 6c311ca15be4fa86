package natsstore

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// stream is a model of a stream: the message of each key, and those that a server has which lags behind.
type stream struct {
	rand    *rand.Rand
	last    uint64
	current map[string]stored
	before  []map[string]stored // what current was after each sequence
	runs    int
}

type stored struct {
	rev uint64
	r   record
}

func (s *stream) put(key string, r record) stored {
	s.last++
	m := stored{s.last, r}
	s.current[key] = m
	copied := make(map[string]stored, len(s.current))
	for k, v := range s.current {
		copied[k] = v
	}
	s.before = append(s.before, copied)
	return m
}

// step changes the stream as claims, servers and time do, and returns the message that this made.
func (s *stream) step() (key string, m stored) {
	for k, v := range s.current { // the server forgets that something is gone, long after any server lags behind
		if !v.r.holds() && s.last-v.rev > 12 {
			delete(s.current, k)
		}
	}
	key = fmt.Sprint("k", s.rand.IntN(6))
	has := s.current[key]
	r := has.r
	r.Topic = key
	switch {
	case !r.holds(), r.State == snapshot.Final && s.rand.IntN(3) == 0:
		s.runs++
		r = record{Entry: snapshot.Entry{Topic: key, Run: fmt.Sprint("R", s.runs), State: snapshot.Live}, owner: "O"}
	case r.State == snapshot.Final && s.rand.IntN(2) == 0:
		r = record{Entry: snapshot.Entry{Topic: key}} // it expires
	case r.State == snapshot.Final:
		r.State = snapshot.Gone // by Forget
	case s.rand.IntN(3) > 0:
		r.N++
		r.State = snapshot.Live
		r.Data = fmt.Append(nil, r.N)
	default:
		r.N++
		r.State = []snapshot.State{snapshot.Final, snapshot.Gone, snapshot.Orphan}[s.rand.IntN(3)]
		r.Data = []byte("end")
	}
	return key, s.put(key, r)
}

// list passes up to n messages from a sequence on to the mirror, of a server that lags behind.
func (s *stream) list(m *mirror, from uint64, has map[string]stored, n int) (last uint64) {
	for range n {
		key, next := "", stored{}
		for k, v := range has {
			if v.rev >= from && (key == "" || v.rev < next.rev) {
				key, next = k, v
			}
		}
		if key == "" {
			break
		}
		m.listed(next.rev, key, next.r)
		last, from = next.rev, next.rev+1
	}
	return last
}

// model is the source of a mirror in a test.
type model struct {
	pageFrom, nextFrom func(from uint64) uint64
	get                func(key string)
}

func (m model) page(from uint64) (uint64, error) { return m.pageFrom(from), nil }
func (m model) next(from uint64) (uint64, error) { return m.nextFrom(from), nil }

func (m model) ask(keys []string) error {
	for _, key := range keys {
		m.get(key)
	}
	return nil
}

// Whatever is published again, lost, late or listed by servers that lag behind, followers see the order of each topic,
// and what the stream has in the end.
func TestMirrorConverges(t *testing.T) {
	for seed := range uint64(3000) {
		s := &stream{rand: rand.New(rand.NewPCG(seed, 0)), current: make(map[string]stored)}
		m := newMirror(slog.New(slog.DiscardHandler))
		newest := make(map[string]snapshot.Entry)
		var told []string
		fn := func(e snapshot.Entry) {
			told = append(told, fmt.Sprint(e))
			last, known := newest[e.Topic]
			switch {
			case known && last.Run == e.Run && e.N < last.N,
				known && last.Run == e.Run && last.State == snapshot.Final && e.State != snapshot.Gone,
				known && last.Run == e.Run && last.State == snapshot.Gone,
				known && len(e.Run) < len(last.Run), len(e.Run) == len(last.Run) && e.Run < last.Run,
				e.State == snapshot.Gone && (!known || last.Run != e.Run):
				t.Errorf("seed %d: after %v a follower is told %v", seed, last, e)
			}
			newest[e.Topic] = e
		}
		m.attach(&fn, nil)
		created := time.Unix(1, 0)
		type late struct {
			key string
			stored
		}
		var line, answers []late
		quiet := false
		catchUp := func() {
			target := s.last
			from, all := m.begin(m.extent(), created, target, uint64(len(s.current)), quiet || s.rand.IntN(4) == 0, 0)
			_, err := m.list(model{
				pageFrom: func(from uint64) uint64 {
					for range s.rand.IntN(3) { // the stream goes on meanwhile
						if quiet {
							break
						}
						key, made := s.step()
						if s.rand.IntN(2) == 0 {
							line = append(line, late{key, made})
						}
					}
					if len(s.before) == 0 {
						return 0
					}
					lag := s.rand.IntN(min(5, len(s.before)))
					return s.list(m, from, s.before[len(s.before)-1-lag], 1+s.rand.IntN(4))
				},
				nextFrom: func(from uint64) uint64 { return s.list(m, from, s.current, 1) },
				get: func(key string) {
					if has := s.current[key]; has.rev > 0 {
						m.listed(has.rev, key, has.r)
					}
				},
			}, from, target, all)
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 60 {
			switch s.rand.IntN(10) {
			default:
				key, made := s.step()
				switch s.rand.IntN(4) {
				case 0: // it is lost
				case 1: // an answer to this process, which is late too
					answers = append(answers, late{key, made})
					fallthrough
				default:
					line = append(line, late{key, made})
				}
			case 0, 1, 2:
				for len(line) > 0 && s.rand.IntN(8) > 0 {
					m.live(line[0].rev, line[0].key, line[0].r)
					line = line[1:]
				}
			case 3:
				for _, a := range answers {
					m.apply(a.rev, a.key, a.r)
				}
				answers = nil
			case 4:
				catchUp()
			}
		}
		for _, l := range line {
			m.live(l.rev, l.key, l.r)
		}
		for _, a := range answers {
			m.apply(a.rev, a.key, a.r)
		}
		quiet = true
		catchUp()
		for i := range 6 {
			key := fmt.Sprint("k", i)
			has := s.current[key]
			got, want := newest[key], has.r.Entry
			if !has.r.holds() {
				if got.State != snapshot.Gone && got.State != 0 {
					t.Errorf("seed %d: %s is %v in the end, want it gone", seed, key, got)
				}
			} else if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("seed %d: %s is %v in the end, want %v", seed, key, got, want)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d: told %v", seed, told)
		}
	}
}

// What expired while the process was away for longer than the server remembers is missing in a list of everything. What
// another stream lacks is gone, too.
func TestMirrorNoticesWhatVanished(t *testing.T) {
	for _, other := range []bool{false, true} {
		m := newMirror(slog.New(slog.DiscardHandler))
		told := make(map[string]snapshot.State)
		fn := func(e snapshot.Entry) { told[e.Topic] = e.State }
		m.attach(&fn, nil)
		entry := func(topic string, state snapshot.State) record {
			return record{Entry: snapshot.Entry{Topic: topic, Run: "R" + topic, State: state}, owner: "O"}
		}
		m.begin(m.extent(), time.Unix(1, 0), 0, 0, true, 0)
		m.complete(true)
		for i, topic := range []string{"stays", "vanishes", "moves"} {
			m.live(uint64(i+1), topic, entry(topic, snapshot.Final))
		}
		m.begin(m.extent(), time.Unix(1, 0), 3, 3, false, 0)
		if _, err := m.list(model{pageFrom: func(from uint64) uint64 {
			for i, topic := range []string{"stays", "vanishes", "moves"} {
				m.listed(uint64(i+1), topic, entry(topic, snapshot.Final))
			}
			return 3
		}}, 1, 3, true); err != nil {
			t.Fatal(err)
		}
		created, last := time.Unix(1, 0), uint64(4)
		if other {
			created, last = time.Unix(2, 0), 2
		}
		from, all := m.begin(m.extent(), created, last, 2, !other, 0)
		if from != 1 || !all {
			t.Fatalf("begin = %d, %v, want a list of everything", from, all)
		}
		if _, err := m.list(model{pageFrom: func(from uint64) uint64 {
			m.listed(1, "stays", entry("stays", snapshot.Final))
			m.listed(last, "moves", entry("moves", snapshot.Orphan))
			return last
		}, get: func(string) {}}, from, last, all); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprint(map[string]snapshot.State{"stays": snapshot.Final, "vanishes": snapshot.Gone, "moves": snapshot.Orphan})
		if got := fmt.Sprint(told); got != want {
			t.Errorf("with another stream %v, followers were told %s, want %s", other, got, want)
		}
	}
}

// A stream that ends before what was seen has lost messages, unless its leader is only late.
func TestMirrorNoticesLostMessages(t *testing.T) {
	m := newMirror(slog.New(slog.DiscardHandler))
	m.begin(m.extent(), time.Unix(1, 0), 10, 1, true, 0)
	m.pass(10)
	m.complete(true)
	if from, all := m.begin(m.extent(), time.Unix(1, 0), 8, 1, false, time.Hour); from != 0 || all {
		t.Errorf("begin with a leader that may be late = %d, %v, want no list", from, all)
	}
	before := m.extent()
	m.pass(12) // while the stream is asked, and has answered
	if from, all := m.begin(before, time.Unix(1, 0), 11, 1, false, 0); from != 0 || all {
		t.Errorf("begin with a mirror that has learned more meanwhile = %d, %v, want no list", from, all)
	}
	if from, all := m.begin(m.extent(), time.Unix(1, 0), 8, 1, false, 0); from != 1 || !all {
		t.Errorf("begin with messages lost = %d, %v, want a list of everything", from, all)
	}
}
