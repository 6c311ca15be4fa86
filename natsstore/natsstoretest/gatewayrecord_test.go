package natsstoretest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// A record is what happened once in a chaos of gateways. The log of a chaos has one a line, as JSON. The kinds below say
// in brackets which members each of them has, beside At and What.
type record struct {
	At   time.Duration `json:"at"` // since the beginning, by the monotonic clock of the test
	What string        `json:"what"`
	// By is what did it or what it happened to: a gateway g0, g1, g2 (the place, whichever process has it now), a server n0,
	// n1, n2, a client c0, c1, ...; empty: the test.
	By     string        `json:"by,omitempty"`
	ID     int           `json:"id,omitempty"`     // of what has a beginning and an end, so that they can be paired; never 0
	Name   string        `json:"name,omitempty"`   // of a source, job, alert or topic, without its kind
	Run    string        `json:"run,omitempty"`    // of a job; of an event of a source what is before the - in its id
	N      uint64        `json:"n,omitempty"`      // of an event what is behind the - in its id; 0 if that is end
	Key    string        `json:"key,omitempty"`    // Idempotency-Key
	Code   int           `json:"code,omitempty"`   // of HTTP; 0: there was no answer
	Status string        `json:"status,omitempty"` // of a run, or of an alert
	Fault  string        `json:"fault,omitempty"`  // see below
	For    time.Duration `json:"for,omitempty"`
	Wall   *time.Time    `json:"wall,omitempty"` // by the wall clock, as it is without steps
	Text   string        `json:"text,omitempty"`
	Value  int           `json:"value,omitempty"` // of a source, but for what says whether the condition of its alert holds; 0: none
	Sizes  *sizes        `json:"sizes,omitempty"`
}

// sizes are those of a gateway.
type sizes struct {
	Goroutines int   `json:"goroutines"`
	Heap       int64 `json:"heap"` // bytes that are in use
}

// The kinds of records.
const (
	// What the run is like. These come first.
	isBegun    = "begun"    // the log begins [Wall, For: the lease]
	hasSource  = "source"   // [Name, For: its interval]
	hasJob     = "job"      // [Name, Text: its group; For: the period of its timetable, 0: none, whose instants are multiples of it in UTC; nobody else starts such a job]
	hasAlert   = "alert"    // [Name; For: how long the condition must last]
	isDisturb  = "fault"    // a fault begins [By, Fault]
	isHealed   = "healed"   // it is over: the process is ready again, or the server has begun again; not of a step [By, Fault]
	isGoesOn   = "goes on"  // a gateway that was stopped as a whole gets SIGCONT [By]
	isCalm     = "calm"     // there will be no more faults
	isOver     = "over"     // the log ends; without it the harness was broken off
	isProcess  = "process"  // a gateway's process begins [By]
	isReady    = "ready"    // it answers /readyz with 200 for the first time [By]
	isExit     = "exit"     // it has ended [By]
	isLine     = "line"     // a gateway has logged an error [By, Text]
	hasSizes   = "sizes"    // [By, Sizes]
	isPoll     = "poll"     // the upstream is asked for a source [ID, By: the gateway that asks, Name]
	isPolled   = "polled"   // it is about to be answered, or was broken off [ID, Code: 0 if it was broken off]
	isWork     = "work"     // the upstream, or the command of an exec job, begins a run [ID, By: the gateway, Name: the job, Run, Key]
	isWorked   = "worked"   // it is about to be answered, or was broken off [ID, Code: 0 if it was broken off, or killed]
	isAsked    = "asked"    // a client asks for a start [ID, By: the gateway, or empty: the balancer; Name: the job, Key]
	isAnswered = "answered" // [ID, Code, Run]
	isOpened   = "opened"   // a client begins to watch a run, a source, or everything, and connects again by itself [By: the client; Name and Run, Name, or neither; For: the pause between events that it asks for]
	isEvent    = "event"    // the client gets an event [By, Name; of a run or source Run, N; of a run Status; of a source Value]
	isLeft     = "left"     // the client has ended it by itself, or got 204 [By, Name and Run as before, Code]
	isEnd      = "end"      // how a run has ended according to a gateway [By, Name: the job, Run, Status, Text: all that must be equal]
	isMissing  = "missing"  // a gateway does not know a run that it should know [By, Run]
	isInstant  = "instant"  // a run was started by a timetable [Name: the job, Run, Wall: the instant]
	isTurn     = "turn"     // the condition of an alert begins or ceases to hold at the upstream [Name, Status: firing or resolved]
	isTold     = "told"     // the receiver of alerts gets a notice [Name, Status, Text: its ID, Wall: since when, as it says]
	isState    = "state"    // what a gateway shows [ID: of the moment, N: of the reading at that moment, By, Name: the topic, with its kind; Text]
)

// The faults. Those of a gateway last until it is ready again.
const (
	faultKill   = "kill"   // SIGKILL of a gateway, which is started again
	faultTerm   = "term"   // SIGTERM of a gateway, which is started again
	faultStop   = "stop"   // SIGSTOP of a gateway, and SIGCONT
	faultCut    = "cut"    // a gateway's line to the servers is cut
	faultStep   = "step"   // a gateway's wall clock is set [For: by how much]
	faultServer = "server" // SIGKILL of the stream's leader, which is started again
)

// recorder writes the log of a chaos. Its methods may be called concurrently.
type recorder struct {
	began time.Time

	mu   sync.Mutex // guards the fields below
	w    *json.Encoder
	err  error
	next int
}

func newRecorder(w io.Writer) *recorder { return &recorder{began: time.Now(), w: json.NewEncoder(w)} }

// add writes what happens now.
func (r *recorder) add(e record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.At = time.Since(r.began)
	if err := r.w.Encode(e); err != nil && r.err == nil {
		r.err = err
	}
}

// id returns another number for a record's ID.
func (r *recorder) id() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	return r.next
}

// readRecords reads a log. Its last line may have been broken off.
func readRecords(from io.Reader) (all []record, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err != nil {
			return all, err
		}
		var r record
		if err = json.Unmarshal(lines.Bytes(), &r); err == nil {
			all = append(all, r)
		} else {
			err = fmt.Errorf("line %d: %w", len(all)+1, err)
		}
	}
	return all, lines.Err()
}
