package api_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A distantRun is in progress in another process, of whose output this one is not told.
type distantRun struct {
	otherRuns
	printed []byte
	last    int       // so many bytes of it
	at      time.Time // were printed at this time
}

func (d *distantRun) Lookup(_ context.Context, id string) (jobs.Record, error) {
	return jobs.Record{Run: wire.Run{ID: id, Job: "a", Status: progress.StatusRunning}}, nil
}

func (d *distantRun) Output(_ context.Context, _ string, from int64, most int) (archive.Output, <-chan struct{}, error) {
	size := int64(len(d.printed))
	if time.Now().Before(d.at) {
		size -= int64(d.last)
	}
	from = min(from, size)
	return archive.Output{Text: d.printed[from:min(size, from+int64(most))], Begin: from, Size: size}, nil, nil
}

// Who waits for the output of a run that another process runs does not ask again and again without a pause.
func TestOutputOfADistantRunIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := newServices(t)
		begun := time.Now()
		s.runs = &distantRun{printed: []byte("one\ntwo\n"), last: 4, at: begun.Add(1500 * time.Millisecond)}
		resp, _ := do(t, h, "GET", "/api/v1/runs/R/output?from=4", "", "Prefer", "wait=20")
		if took := time.Since(begun); resp.StatusCode != 200 || resp.Header.Get("Tidewire-Next") != "4" || resp.Header.Get("Tidewire-End") != "" || took != time.Second {
			t.Errorf("nothing new = %d %v after %v, want an answer after a second", resp.StatusCode, resp.Header, took)
		}
		begun = time.Now()
		resp, _ = do(t, h, "GET", "/api/v1/runs/R/output?from=4", "", "Prefer", "wait=20")
		if took := time.Since(begun); resp.Header.Get("Tidewire-Next") != "8" || resp.ContentLength == 0 || took != time.Second {
			t.Errorf("what is new = %v after %v, want it after a second", resp.Header, took)
		}
	})
}

// A listener has one connection.
type listener struct {
	conn chan net.Conn
	net.Listener
}

func (l listener) Accept() (net.Conn, error) {
	if conn, ok := <-l.conn; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l listener) Close() error   { return nil }
func (l listener) Addr() net.Addr { return &net.TCPAddr{} }

// Much output takes a slow client as long as it takes, if only it reads on.
func TestOutputIsReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pieces, size = 10, 64 << 10
		s, h := newServices(t)
		s.runs = &distantRun{printed: make([]byte, pieces*size)}
		server := &http.Server{Handler: h, WriteTimeout: 2 * time.Minute}
		client, conn := net.Pipe()
		ln := listener{conn: make(chan net.Conn, 1)}
		ln.conn <- conn
		over := make(chan struct{})
		go func() { defer close(over); _ = server.Serve(ln) }()
		defer func() { _ = client.Close(); close(ln.conn); _ = server.Close(); <-over }()
		if _, err := io.WriteString(client, "GET /api/v1/runs/R/output HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReaderSize(client, 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := range pieces {
			if _, err := io.ReadFull(resp.Body, make([]byte, size)); err != nil {
				t.Fatalf("piece %d of %d, after %d minutes: %v", n+1, pieces, n, err)
			}
			time.Sleep(time.Minute)
		}
	})
}
