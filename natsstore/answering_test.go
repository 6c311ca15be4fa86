package natsstore

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

// answered counts answers, which take a while.
type answered struct {
	mu                       sync.Mutex // guards the fields below
	now, most, done, refused int
}

func (c *answered) count(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *answered) respond(m *nats.Msg) {
	c.count(func() {
		if m.Header.Get(headerFailed) == busy {
			c.refused++
		} else {
			c.done++
		}
	})
}

// newAnswered returns what answers after a while, until ending is closed.
func newAnswered(takes time.Duration, ending chan struct{}) (*answering, *answered) {
	c := new(answered)
	return newAnswering(func(question []byte) *nats.Msg {
		c.count(func() { c.now++; c.most = max(c.most, c.now) })
		time.Sleep(takes)
		c.count(func() { c.now-- })
		return answerOf(question, 1<<20)
	}, func() bool { return true }, func() {}, ending), c
}

// However many questions come: so many are answered at once, so many wait, and the others are refused at once.
func TestQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newAnswered(100*time.Millisecond, nil)
		const more = 1000
		for range maxAnswers + maxWaiting + more {
			a.take([]byte("?"), c.respond)
		}
		synctest.Wait()
		c.count(func() {
			if c.now != maxAnswers || c.refused != more {
				t.Errorf("%d questions are being answered, %d were refused, want %d and %d", c.now, c.refused, maxAnswers, more)
			}
		})
		time.Sleep(time.Second)
		synctest.Wait()
		if c.done != maxAnswers+maxWaiting || c.most != maxAnswers || a.working != 0 || a.bytes != 0 {
			t.Errorf("%d were answered, %d at once, %d goroutines and %d bytes are left, want %d, %d, none",
				c.done, c.most, a.working, a.bytes, maxAnswers+maxWaiting, maxAnswers)
		}
		a.take([]byte("?"), c.respond)
		time.Sleep(time.Second)
		synctest.Wait()
		if c.done != maxAnswers+maxWaiting+1 {
			t.Error("afterwards a question is not answered")
		}
	})
}

// Of a question that has waited for too long is said that it was not answered, rather than doing late what it asks for.
func TestQuestionsDoNotWaitForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newAnswered(maxWait+time.Second, nil)
		for range maxAnswers + 10 {
			a.take([]byte("?"), c.respond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if c.done != maxAnswers || c.refused != 10 {
			t.Errorf("%d were answered and %d refused, want %d and 10", c.done, c.refused, maxAnswers)
		}
	})
}

// What waits has no more bytes than a bound.
func TestQuestionsThatWaitAreSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newAnswered(time.Second, nil)
		for range maxAnswers {
			a.take([]byte("?"), c.respond)
		}
		for range maxWaitBytes>>20 + 5 {
			a.take(make([]byte, 1<<20), c.respond)
		}
		c.count(func() {
			if c.refused != 5 {
				t.Errorf("%d large questions were refused, want 5", c.refused)
			}
		})
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}

// When there is no more answering, those that wait are dropped, and those in progress are waited for.
func TestQuestionsEnd(t *testing.T) {
	for _, closed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ending := make(chan struct{})
			a, c := newAnswered(time.Second, ending)
			for range maxAnswers + 10 {
				a.take([]byte("?"), c.respond)
			}
			if closed {
				close(ending)
			}
			a.stop()
			a.take([]byte("?"), c.respond)
			time.Sleep(time.Minute)
			synctest.Wait()
			if c.done != maxAnswers || c.refused != 0 || a.working != 0 {
				t.Errorf("%d were answered and %d refused, want %d and 0; %d goroutines are left", c.done, c.refused, maxAnswers, a.working)
			}
		})
	}
}
