package natsstore

import (
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Bounds of the questions to one name, so that those who ask too much cost no more than this.
const (
	maxAnswers   = 256      // questions that are answered at once
	maxWaiting   = 1024     // questions that wait for one of these
	maxWaitBytes = 16 << 20 // of the questions that wait
	maxWait      = 2 * time.Second
)

// An answering answers the questions to one name: some at once, on a goroutine each, while some wait. It refuses the others,
// and those that have waited for too long: the process that asked may have given up.
type answering struct {
	answer func(question []byte) *nats.Msg
	begin  func() bool   // is called before a goroutine starts, which it does if begin returns true
	end    func()        // is called when that ends
	ending chan struct{} // closed when no question is to be answered any more

	mu      sync.Mutex // guards the fields below
	working int        // goroutines
	waiting []asked    // the oldest first; none while another goroutine may start
	bytes   int        // of waiting
	stopped bool       // no question is answered any more
	idle    sync.Cond  // of mu: working is 0
}

// An asked is a question.
type asked struct {
	question []byte
	respond  func(*nats.Msg)
	since    time.Time
}

func newAnswering(answer func([]byte) *nats.Msg, begin func() bool, end func(), ending chan struct{}) *answering {
	a := &answering{answer: answer, begin: begin, end: end, ending: ending}
	a.idle.L = &a.mu
	return a
}

// take answers a question, or has it wait, or refuses it. It drops a question that comes after stop.
func (a *answering) take(question []byte, respond func(*nats.Msg)) {
	if !a.admit(asked{question, respond, time.Now()}) {
		respond(failure(busy))
	}
}

// admit reports false for a question that is to be refused.
func (a *answering) admit(one asked) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stopped || isClosed(a.ending):
	case a.working < maxAnswers:
		if a.begin() {
			a.working++
			go a.work(one)
		}
	case len(a.waiting) < maxWaiting && a.bytes+len(one.question) <= maxWaitBytes:
		a.waiting = append(a.waiting, one)
		a.bytes += len(one.question)
	default:
		return false
	}
	return true
}

// work answers a question, and then those that wait.
func (a *answering) work(one asked) {
	defer a.end()
	for ok := true; ok; one, ok = a.next() {
		if time.Since(one.since) > maxWait {
			one.respond(failure(busy))
		} else {
			one.respond(a.answer(one.question))
		}
	}
}

// next returns the question that has waited longest. If there is none, the goroutine that asks ends.
func (a *answering) next() (one asked, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 || isClosed(a.ending) {
		a.waiting, a.bytes = nil, 0
		if a.working--; a.working == 0 {
			a.idle.Broadcast()
		}
		return one, false
	}
	one = a.waiting[0]
	a.waiting[0] = asked{} // so that its memory is free when it is answered
	a.waiting = a.waiting[1:]
	a.bytes -= len(one.question)
	return one, true
}

// stop takes no more questions, drops those that wait, and waits for the answers in progress.
func (a *answering) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	a.waiting, a.bytes = nil, 0
	for a.working > 0 {
		a.idle.Wait()
	}
}

// headerFailed is the header of an answer without data: why there is none.
const headerFailed = "Tidewire-Failed"

// busy is the value of headerFailed of a question that is refused.
const busy = "too many questions at once"

// failure returns an answer without data.
func failure(reason string) *nats.Msg { return &nats.Msg{Header: nats.Header{headerFailed: {reason}}} }

// answerOf returns an answer with data of up to most bytes.
func answerOf(data []byte, most int) *nats.Msg {
	if len(data) > most {
		return failure(fmt.Sprintf("the answer has %d bytes, want at most %d", len(data), most))
	}
	return &nats.Msg{Data: data}
}
