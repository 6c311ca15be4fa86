package sse_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/sse"
)

// While streams begin, whatever they hold then, publishers go on.
func TestPublishersDoNotWaitForStreamsThatBegin(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		f := newFixture(t, e, nil)
		a, b := f.topic("a"), f.topic("b")
		publish(t, a, "1")
		for _, path := range []string{"/one/a", "/all/a,b"} {
			stream := f.srv.Open(t, path, nil)
			if ev, err := stream.Next(); err != nil || string(ev.Data) != "1" {
				t.Fatalf("first event = %q, %v", ev.Data, err)
			}
		}
		release := f.hub.HoldAttach(a, b)
		published := make(chan bool, 1)
		go func() {
			for n := range 100 {
				publish(t, a, strconv.Itoa(n))
				publish(t, b, strconv.Itoa(n))
			}
			published <- true
		}()
		within(t, "the publisher", published)
		release()
	})
}

// A deploy: many clients return at once, with an id of this process, of a former one, or none, and publishing goes on.
// Each begins with what was the newest snapshot when it asked, or with a newer one, and comes to the last one.
func TestStormOfReconnects(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine) {
		const streams = 500
		f, srv := newNetFixture(t, e, nil, nil)
		a := f.topic("a")
		f.topic("b").Open("other")
		var newest atomic.Int64 // that is published for certain
		next := func() { publish(t, a, strconv.FormatInt(newest.Load()+1, 10)); newest.Add(1) }
		a.Open("now")
		next()
		stop := make(chan bool)
		var publisher, clients sync.WaitGroup
		publisher.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					next()
				}
			}
		})
		var begun sync.WaitGroup
		for i := range streams {
			begun.Add(1)
			clients.Go(func() {
				path := []string{"/one/a", "/all/a,b"}[i/3%2]
				id := []string{"", "Last-Event-ID: now-1\r\n", "Last-Event-ID: former-7\r\n"}[i%3]
				began := sync.OnceFunc(begun.Done)
				defer began()
				from := newest.Load()
				if err := readToTheEnd(srv.Listener.Addr().String(), path, id, from, began); err != nil {
					t.Errorf("%s with %q: %v", path, id, err)
				}
			})
		}
		begun.Wait()
		close(stop)
		publisher.Wait()
		publish(t, a, "end")
		clients.Wait()
	})
}

// readToTheEnd reads a stream of numbers until the event end. The first one is at least from, and they ascend.
func readToTheEnd(addr, path, header string, from int64, began func()) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, header); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	for ev, err := range sse.Read(resp.Body, nil) {
		switch {
		case err != nil:
			return err
		case ev.Name == "reset" && strings.HasPrefix(header, "Last-Event-ID"):
			continue
		case string(ev.Data) == "end":
			return nil
		}
		n, err := strconv.ParseInt(string(ev.Data), 10, 64)
		if err != nil || n < from {
			return fmt.Errorf("event %q, want a number from %d on", ev.Data, from)
		}
		from = n + 1
		began()
	}
	return io.ErrUnexpectedEOF
}
