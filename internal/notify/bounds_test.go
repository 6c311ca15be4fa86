package notify_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/internal/notify"
)

// A wire is a server in memory, which says what it is told after it has read a request.
type wire struct {
	say  func(io.Writer)
	read atomic.Int64 // bytes by the client
}

// A counted is a connection that counts what is read from it.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// client returns one whose requests all go to the server.
func (w *wire) client() *http.Client {
	return &http.Client{Transport: httpclient.New(httpclient.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			r, err := http.ReadRequest(bufio.NewReader(there))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			w.say(there)
			_, _ = io.Copy(io.Discard, there) // until the client leaves
		}()
		return counted{here, &w.read}, nil
	}})}
}

// drip says a line ten times a second, for an hour.
func drip(line string) func(io.Writer) {
	return func(w io.Writer) {
		for range 36000 {
			if _, err := io.WriteString(w, line); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// Whatever a receiver does, a call of it is over after CallTimeout: to the millisecond, for the time is that of the test.
func TestACallEndsWithItsTime(t *testing.T) {
	const head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n"
	for name, tt := range map[string]struct {
		say  func(io.Writer)
		want time.Duration
		told bool
	}{
		"nothing":                 {func(io.Writer) {}, notify.CallTimeout, false},
		"a header without end":    {drip("X"), notify.CallTimeout, false},
		"early hints without end": {drip("HTTP/1.1 103 Early Hints\r\n\r\n"), notify.CallTimeout, false},
		"an error without end":    {func(w io.Writer) { _, _ = io.WriteString(w, head+"\r\n"); drip("x")(w) }, notify.CallTimeout, false},
		"an error that stops":     {func(w io.Writer) { _, _ = io.WriteString(w, head+"Content-Length: 9\r\n\r\nno") }, notify.CallTimeout, false},
		"trailers without end": {func(w io.Writer) {
			_, _ = io.WriteString(w, head+"Transfer-Encoding: chunked\r\n\r\n0\r\n")
			drip("X: y\r\n")(w)
		}, notify.CallTimeout, false},
		"success that stops":  {func(w io.Writer) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok") }, notify.CallTimeout, true},
		"success without end": {func(w io.Writer) { _, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n"); drip("x")(w) }, 0, true},
		"another protocol": {func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
			drip("x")(w)
		}, 0, false},
		"an answer of another kind": {func(w io.Writer) { _, _ = io.WriteString(w, "220 mail.example ESMTP\r\n") }, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			for kind, receiver := range receiversOf(t, "http://receiver.example") {
				server := &wire{say: tt.say}
				client, start := server.client(), time.Now()
				err := receiver.Send(t.Context(), client, severe())
				if took := time.Since(start); took != tt.want || (err == nil) != tt.told || err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s, %s: %v after %v, want told: %v after %v", kind, name, err, took, tt.told, tt.want)
				}
				client.CloseIdleConnections()
				time.Sleep(time.Second) // until the server knows
			}
		})
	}
}

// Of an answer a few KiB are read, counted where they arrive: also if it is small and becomes large, as gzip can make it.
func TestOfAnAnswerLittleIsRead(t *testing.T) {
	log.SetOutput(io.Discard) // net/http quotes there what follows a 204
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	lines := []byte(strings.Repeat("hunter2 and so on. ", 3000) + "\n")
	endless := func(w io.Writer) {
		for _, err := io.WriteString(w, "\r\n"); err == nil; {
			_, err = w.Write(lines)
		}
	}
	for name, head := range map[string]string{
		"success":           "HTTP/1.1 200 OK\r\n",
		"an error":          "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n",
		"a redirect":        "HTTP/1.1 302 Found\r\nLocation: /x\r\n",
		"with a length":     "HTTP/1.1 400 Bad Request\r\nContent-Length: 9000000000000000000\r\n",
		"without a content": "HTTP/1.1 204 No Content\r\n",
		"gzip":              "HTTP/1.1 500 Internal Server Error\r\nContent-Encoding: gzip\r\n\r\n" + strings.Repeat(bomb.String(), 64), // members of one stream
	} {
		receivers := receiversOf(t, "http://receiver.example")
		for _, address := range addresses {
			service, err := notify.ParseService(address)
			if err != nil {
				t.Fatal(err)
			}
			receivers[address] = service
		}
		for which, receiver := range receivers {
			server := &wire{say: func(w io.Writer) { _, _ = io.WriteString(w, head); endless(w) }}
			err := receiver.Send(t.Context(), server.client(), severe())
			if n := server.read.Load(); n > 64<<10 {
				t.Errorf("%s, %s: %d bytes were read", which, name, n)
			}
			if err != nil && (strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 500) {
				t.Errorf("%s, %s: %v", which, name, err)
			}
		}
	}
}
