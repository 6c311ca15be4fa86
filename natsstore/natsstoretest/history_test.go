package natsstoretest_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// An event is what happened once in a chaos. What each kind says is in brackets.
type event struct {
	at      time.Duration // since the beginning
	what    string
	process int
	claim   int // its number; of what a follower is told, that of the claim whose data it is
	put     int // its number within the claim; of what a follower is told, that of the newest one that it has
	entry   snapshot.Entry
	text    string
	long    time.Duration
}

// The kinds of events.
const (
	claimed = "claimed" // Claim has returned a claim [process, claim, entry; text is "adopted" if it went on with a run]
	put     = "put"     // Put is about to be called [process, claim, put, entry]
	lost    = "lost"    // a claim was found to be lost, at the latest when somebody else got its topic [process, claim, entry]
	ending  = "ending"  // Finish or Release is about to be called [process, claim, entry]
	ended   = "ended"   // it has returned without an error [process, claim, entry with the state that this makes]
	refused = "refused" // it has found that the claim was lost before [process, claim, entry]
	told    = "told"    // a follower was told of an entry [process, claim, put, entry]
	fault   = "fault"   // a process is cut off, or if that is -1, a server dies, stops or pauses [process, text]
	healed  = "healed"  // that is over [process, text]
	busy    = "busy"    // the machine has let a server or this program wait for its processors until now [text, long]
	opened  = "opened"  // a process has begun to follow [process]
	final   = "final"   // what a follower has in the end; that of process -1 came after everything [process, entry]
	line    = "line"    // a store has logged a warning or an error [process, text]
)

// history is what happened in a chaos, in order.
type history struct {
	began time.Time

	mu     sync.Mutex // guards the fields below
	events []event
	held   map[string]holding // by topic, those that have neither ended nor been found to be lost
	next   int                // number of the next claim
	count  map[string]int
}

type holding struct {
	snapshot.Claim
	event
}

func newHistory() *history {
	return &history{began: time.Now(), held: make(map[string]holding), count: make(map[string]int)}
}

func (h *history) add(e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addLocked(e)
}

func (h *history) addLocked(e event) {
	e.at = time.Since(h.began)
	h.events = append(h.events, e)
	h.count[e.what]++
}

// claimed notes a claim, after the loss of the one before, if whoever had that can know of it by now.
func (h *history) claimed(process int, c snapshot.Claim, e snapshot.Entry, adopted bool) event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if before, ok := h.held[e.Topic]; ok && isLost(before.Claim) {
		h.lostLocked(before.event)
	}
	h.next++
	made := event{what: claimed, process: process, claim: h.next, entry: e}
	if adopted {
		made.text = "adopted"
	}
	h.addLocked(made)
	h.held[e.Topic] = holding{c, made}
	return made
}

// lost notes that a claim is lost, unless that is known.
func (h *history) lost(of event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[of.entry.Topic].claim == of.claim {
		h.lostLocked(of)
	}
}

func (h *history) lostLocked(of event) {
	of.what = lost
	h.addLocked(of)
	delete(h.held, of.entry.Topic)
}

// ending notes that a claim is about to be given up.
func (h *history) ending(of event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	of.what = ending
	h.addLocked(of)
	if h.held[of.entry.Topic].claim == of.claim {
		delete(h.held, of.entry.Topic)
	}
}

// dataOf is what a claim puts.
func dataOf(claim, put int) []byte { return fmt.Appendf(nil, "%d %d", claim, put) }

// told returns a function for Follow.
func (h *history) told(process int) func(snapshot.Entry) {
	return func(e snapshot.Entry) {
		claim, put, _ := strings.Cut(string(e.Data), " ")
		made := event{what: told, process: process, entry: e}
		made.claim, _ = strconv.Atoi(claim)
		made.put, _ = strconv.Atoi(put)
		h.add(made)
	}
}

// logger returns a logger that notes what is wrong.
func (h *history) logger(process int) *slog.Logger { return slog.New(&lines{h: h, process: process}) }

type lines struct {
	slog.Handler // nil: no store makes groups or keeps attributes
	h            *history
	process      int
}

func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	l.h.add(event{what: line, process: l.process, text: text})
	return nil
}
