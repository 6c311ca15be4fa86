//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// order is what the server's process asks of the readers'.
type order struct {
	Do string // connect, storm, begin, count, results, release, check; none is answered before it is done

	// Of connect and storm:
	Port, N       int
	Path          string
	Kind          kind
	ReceiveBuffer int // in bytes, 0 for the system's own choice
	Over          over
	IDs           []string // of the last events, of storm alone

	// Of begin:
	Ages  bool          // take the age of each snapshot, besides counting it
	Pause time.Duration // between two rounds of reading
}

// kind is how a connection reads.
type kind string

const (
	fast    kind = "fast"    // at once
	slow    kind = "slow"    // slowChunk bytes every slowTick
	stalled kind = "stalled" // not at all, until released
)

const (
	slowTick  = 50 * time.Millisecond
	slowChunk = 500
)

// counts answer an order. Frames, bytes and ages are those since begin, of fast and slow connections.
type counts struct {
	Error         string
	Open          int // fast and slow connections
	Reached       int // streams that got something
	Frames, Bytes int64
	Least, Most   int64 // frames of one connection

	P50, P90, P99, Max float64 // age in milliseconds
	Stale              float64 // age in milliseconds of the newest snapshot that the slow connections have read, on average

	FirstHalf, FirstLast float64 // seconds since the storm, at which half of the streams and the last one had a snapshot

	Unread int64 // bytes in the receive buffers of stalled connections

	Last  int  // number of the last snapshot that a released connection read
	Whole bool // whether all that it read was frames, numbers ascending
}

// readers is the second process: one thread that reads any number of streams and parses none.
type readers struct {
	epoll   int
	conns   []*reader
	byFD    map[int32]*reader
	began   time.Time
	ages    []int32 // microseconds
	takeAge bool
	pause   time.Duration
	slow    bool            // whether there are slow connections
	firsts  []time.Duration // since the storm, at which connections had their first snapshot
	buf     []byte

	mu sync.Mutex // held while an order is obeyed, and to count what was read

	frames int64
	bytes  int64
}

// reader is one connection.
type reader struct {
	fd      int
	kind    kind
	streams int // that it carries
	open    bool
	keep    bool // released: what it reads is kept in all
	all     []byte
	frames  int64
	newest  int64  // stamp of the newest snapshot that was read
	request []byte // of storm, to send once it is connected
}

// readersMain runs until its standard input ends. It is long because each command that it reads has its case.
func readersMain() error {
	runtime.LockOSThread()
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	r := &readers{epoll: epoll, byFD: map[int32]*reader{}, buf: make([]byte, 256<<10), ages: make([]int32, 0, 4<<20)}
	if err := r.watch(0); err != nil {
		return err
	}
	if err := syscall.SetNonblock(0, true); err != nil {
		return err
	}
	var input []byte
	events := make([]syscall.EpollEvent, 1024)
	nextTick := time.Now()
	for {
		timeout := -1
		if r.slow {
			if !time.Now().Before(nextTick) {
				r.readSlowly()
				nextTick = nextTick.Add(slowTick)
			}
			timeout = max(0, int(time.Until(nextTick).Milliseconds()))
		}
		n, err := syscall.EpollWait(epoll, events, timeout)
		if err != nil && err != syscall.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd != 0 {
				if err := r.ready(r.byFD[e.Fd]); err != nil {
					return err
				}
				continue
			}
			chunk := make([]byte, 4096)
			n, err := syscall.Read(0, chunk)
			if n == 0 && err == nil {
				return nil
			}
			input = append(input, chunk[:max(n, 0)]...)
			for {
				line, rest, ok := bytes.Cut(input, []byte("\n"))
				if !ok {
					break
				}
				input = rest
				var o order
				if err := json.Unmarshal(line, &o); err != nil {
					return err
				}
				if err := json.NewEncoder(os.Stdout).Encode(r.obey(o)); err != nil {
					return err
				}
				nextTick = time.Now()
			}
		}
		if r.pause > 0 {
			time.Sleep(r.pause)
		}
	}
}

func (r *readers) obey(o order) counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch o.Do {
	case "connect":
		for left := o.N; left > 0; left -= o.Over.Each {
			if err := r.connect(o, min(left, o.Over.Each)); err != nil {
				return counts{Error: fmt.Sprintf("connection %d: %v", len(r.conns), err)}
			}
			if len(r.conns)%250 == 249 {
				time.Sleep(5 * time.Millisecond) // lets the server accept
			}
		}
	case "storm":
		r.mu.Unlock()
		err := r.storm(o)
		r.mu.Lock()
		if err != nil {
			return counts{Error: fmt.Sprintf("connection %d: %v", len(r.conns), err)}
		}
	case "begin":
		r.began, r.takeAge, r.pause = time.Now(), o.Ages, o.Pause
		r.ages, r.firsts, r.frames, r.bytes = r.ages[:0], r.firsts[:0], 0, 0
		for _, c := range r.conns {
			c.frames = 0
		}
	case "release":
		for _, c := range r.conns {
			if c.kind == stalled {
				c.kind, c.keep = fast, true
				if err := r.watch(c.fd); err != nil {
					return counts{Error: err.Error()}
				}
			}
		}
	case "check":
		for _, c := range r.conns {
			if c.keep {
				last, whole := check(c.all)
				return counts{Last: last, Whole: whole}
			}
		}
		return counts{Error: "no connection was released"}
	}
	return r.count(o.Do == "results")
}

// connect opens a connection and sends the requests of its streams.
func (r *readers) connect(o order, streams int) error {
	if o.Over.TLS {
		return r.connectTLS(o)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if o.ReceiveBuffer > 0 { // counts only before connect
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, o.ReceiveBuffer); err != nil {
			return err
		}
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: o.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	requests := request(o.Path)
	if o.Over.HTTP2 {
		requests = requestsHTTP2(o.Path, streams)
	}
	if _, err := syscall.Write(fd, requests); err != nil {
		return err
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	c := &reader{fd: fd, kind: o.Kind, streams: streams, open: true}
	r.conns = append(r.conns, c)
	r.byFD[int32(fd)] = c
	switch o.Kind {
	case fast:
		return r.watch(fd)
	case slow:
		r.slow = true
	}
	return nil
}

// request is that of a stream over HTTP/1.1.
func request(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
}

func (r *readers) watch(fd int) error {
	return syscall.EpollCtl(
		r.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)},
	)
}

func (r *readers) readSlowly() {
	for _, c := range r.conns {
		if c.kind == slow && c.open {
			r.read(c, r.buf[:slowChunk])
		}
	}
}

// read takes what is there, once.
func (r *readers) read(c *reader, buf []byte) {
	n, err := syscall.Read(c.fd, buf)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return
	}
	if n <= 0 {
		c.open = false
		_ = syscall.Close(c.fd)
		return
	}
	if c.keep {
		c.all = append(c.all, buf[:n]...)
	}
	r.took(c, buf[:n])
}

// took counts what a connection has read. A snapshot's stamp is "~" and 19 digits; one that two reads share is counted,
// but has no age.
func (r *readers) took(c *reader, p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += int64(len(p))
	now := time.Now().UnixNano()
	for rest := p; ; {
		i := bytes.IndexByte(rest, '~')
		if i < 0 {
			return
		}
		rest = rest[i+1:]
		if c.frames == 0 {
			r.firsts = append(r.firsts, time.Since(r.began))
		}
		c.frames++
		r.frames++
		if (r.takeAge || c.kind == slow) && len(rest) >= 19 {
			stamp := int64(0)
			for _, d := range rest[:19] {
				stamp = stamp*10 + int64(d-'0')
			}
			c.newest = stamp
			if r.takeAge {
				r.ages = append(r.ages, int32((now-stamp)/1000))
			}
		}
	}
}

func (r *readers) count(results bool) counts {
	a := counts{Frames: r.frames, Bytes: r.bytes, Least: 1 << 62}
	var slowOnes int
	for _, c := range r.conns {
		a.Reached += min(c.streams, int(c.frames)) // the first event reaches each stream once
		if c.kind == stalled {
			a.Unread += unread(c.fd)
			continue
		}
		if c.open {
			a.Open++
		}
		a.Least, a.Most = min(a.Least, c.frames), max(a.Most, c.frames)
		if c.kind == slow && c.newest > 0 {
			slowOnes++
			a.Stale += float64(time.Now().UnixNano()-c.newest) / 1e6
		}
	}
	if n := len(r.firsts); n > 0 { // in their order
		a.FirstHalf, a.FirstLast = r.firsts[n/2].Seconds(), r.firsts[n-1].Seconds()
	}
	if slowOnes > 0 {
		a.Stale /= float64(slowOnes)
	}
	if results && len(r.ages) > 0 {
		slices.Sort(r.ages)
		at := func(q float64) float64 { return float64(r.ages[int(q*float64(len(r.ages)-1))]) / 1e3 }
		a.P50, a.P90, a.P99, a.Max = at(0.5), at(0.9), at(0.99), at(1)
	}
	return a
}

// unread is what lies in the receive buffer of a socket.
func unread(fd int) int64 {
	return int64(ioctlInt(fd, syscall.TIOCINQ))
}

// check reads a stream from its head on, and returns the number of its last snapshot, and whether all is as it should
// be.
func check(all []byte) (last int, whole bool) {
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(all)), nil)
	if err != nil {
		return 0, false
	}
	last = -1
	for ev, err := range sse.Read(response.Body, nil) {
		if err != nil {
			// A stream that goes on breaks off at the end of a chunk.
			return last, errors.Is(err, io.ErrUnexpectedEOF)
		}
		var s snapshot
		if err := json.Unmarshal(ev.Data, &s); err != nil || s.Scanned <= last {
			return last, false
		}
		last = s.Scanned
	}
	return last, true
}

// portOf is the port that l listens on.
func portOf(l net.Listener) int {
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	n, _ := strconv.Atoi(port)
	return n
}
