package sse

import (
	"net"
	"net/http"
	"reflect"
	"sync"
	"time"
)

// Size returns how many topics and streams the hub holds.
func (h *Hub) Size() (topics, streams int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.topics), len(h.streams)
}

// HoldAttach takes every lock that a stream of topics takes when it begins or ends, until release.
func (h *Hub) HoldAttach(topics ...*Topic) (release func()) {
	locks := []*sync.Mutex{&h.mu}
	for _, t := range topics {
		locks = append(locks, &t.readers().mu)
	}
	for _, d := range h.dispatchers {
		locks = append(locks, &d.streamsMu)
	}
	for _, l := range locks {
		l.Lock()
	}
	return func() {
		for _, l := range locks {
			l.Unlock()
		}
	}
}

// Turn is a dispatcher's.
type Turn struct{ turn }

func NewTurn() *Turn { return &Turn{turn{began: time.Now()}} }

func (t *Turn) Woke() { t.woke() }

// MemorySocket is a connection that a test hands off: it has what a TCP connection has.
type MemorySocket interface {
	net.Conn
	TryWrite(p []byte) (int, error)
	Left() bool
}

// TakeMemorySockets has h hand off connections of type MemorySocket too, on any system, and from ResponseWriters of tests.
func (h *Hub) TakeMemorySockets() {
	h.reached = func(w http.ResponseWriter, n int64) bool {
		return !ofServer(reflect.TypeOf(innermost(w))) || reached(w, n)
	}
	h.wrapped = func(http.ResponseWriter) bool { return false }
	h.newSocket = func(c net.Conn) socket {
		if m, ok := c.(MemorySocket); ok {
			return memorySocket{m}
		}
		return nil
	}
}

type memorySocket struct{ MemorySocket }

func (s memorySocket) Flush() error                   { return nil }
func (s memorySocket) tryWrite(p []byte) (int, error) { return s.TryWrite(p) }

func (s memorySocket) tryLeft() Cause {
	if s.Left() {
		return CauseLeft
	}
	return ""
}

func (s memorySocket) untilLeft() Cause { return readUntilLeft(s.MemorySocket) }
func (s memorySocket) wake()            { _ = s.SetReadDeadline(time.Unix(1, 0)) }
func (s memorySocket) close(bool)       { _ = s.Close() }

// Counts returns how many keys of quotas the hub holds.
func (h *Hub) Counts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.counts)
}

// Awake returns how many streams with a pause the hub counts that do not rest.
func (h *Hub) Awake() (n int64) {
	for _, d := range h.dispatchers {
		n += d.resting.awake.Load()
	}
	return n
}
