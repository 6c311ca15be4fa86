package http_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/value"
)

// answers serves /N with a text of N bytes, as JSON.
func answers(t *testing.T) func(ctx context.Context, n int) error {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &n)
		fmt.Fprintf(w, "%q", strings.Repeat("x", n))
	}))
	t.Cleanup(server.Close)
	return func(ctx context.Context, n int) error {
		_, err := httpkind.Exchange{URL: address(fmt.Sprintf("%s/%d", server.URL, n))}.Fetch(ctx)
		return err
	}
}

func TestLargeAnswersWaitForEachOther(t *testing.T) {
	fetch := answers(t)
	cause := errors.New("the poll has timed out")
	for _, full := range []struct {
		what  string
		take  func(ctx context.Context) error
		times int
		again int // how often a poll takes it
	}{
		{"answers that are read", func(ctx context.Context) error { return value.AdmitReading(ctx, value.MaxReading) }, 2, 1},
		{"values that are held", func(ctx context.Context) error { return value.AdmitDecoding(ctx, value.Small+1) }, 1, 2},
	} {
		var ends []func()
		for range full.times {
			ctx, done := value.WithAdmission(t.Context())
			for range full.again { // one poll takes one place
				if err := full.take(ctx); err != nil {
					t.Fatal(err)
				}
			}
			ends = append(ends, done)
		}
		ctx, done := value.WithAdmission(t.Context())
		if err := fetch(ctx, 1000); err != nil {
			t.Errorf("%s: a small answer = %v, want none to wait", full.what, err)
		}
		done()
		ctx, done = value.WithAdmission(t.Context())
		ctx, cancel := context.WithCancelCause(ctx)
		over := make(chan error)
		go func() { over <- fetch(ctx, 200_000) }()
		cancel(cause)
		if err := <-over; !errors.Is(err, cause) {
			t.Errorf("%s: a large answer = %v, want it to wait until %v", full.what, err, cause)
		}
		done()
		ctx, done = value.WithAdmission(t.Context())
		go func() { over <- fetch(ctx, 200_000) }()
		ends[0]()
		if err := <-over; err != nil {
			t.Errorf("%s: once there is a place a large answer = %v", full.what, err)
		}
		done()
		for _, end := range ends {
			end() // twice does no harm
		}
	}
}

// An answer in pages is decoded as they come. Those that have been read wait for its end, so it cannot wait for these.
func TestFurtherPagesWaitForNoOtherAnswer(t *testing.T) {
	admitted := func(admit func(context.Context) error) context.Context {
		ctx, done := value.WithAdmission(t.Context())
		t.Cleanup(done)
		if err := admit(ctx); err != nil {
			t.Fatal(err)
		}
		return ctx
	}
	pages := admitted(func(ctx context.Context) error { return value.AdmitDecoding(ctx, value.Small+1) })
	for range 2 { // which is all that there is
		admitted(func(ctx context.Context) error { return value.AdmitReading(ctx, value.MaxReading) })
	}
	pages, cancel := context.WithCancel(pages)
	cancel()
	if err := value.AdmitReading(pages, value.MaxBody); err != nil {
		t.Errorf("a further page = %v, want it not to wait", err)
	}
}

// A slowAnswer has a bit more than a small one, and then nothing more until its request ends.
type slowAnswer struct {
	left  int
	waits func() // is called when all was read
	ctx   context.Context
}

func (s *slowAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(&slowAnswer{s.left, s.waits, r.Context()}), Request: r}, nil
}

func (s *slowAnswer) Read(p []byte) (int, error) {
	n := min(s.left, len(p))
	if s.left -= n; n == 0 {
		s.waits()
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	return n, nil
}

// Answers that come slowly hold what they have, and leave room for others.
func TestSlowAnswersHoldUpNoOthers(t *testing.T) {
	fetch := answers(t)
	ctx, cancel := context.WithCancel(t.Context())
	var begun, ended sync.WaitGroup
	for range 40 {
		begun.Add(1)
		ended.Go(func() {
			ctx, done := value.WithAdmission(ctx)
			defer done()
			slow := &http.Client{Transport: &slowAnswer{left: value.Small + 10_000, waits: begun.Done}}
			_, _ = httpkind.Exchange{Client: slow, URL: address("http://slow.example")}.Fetch(ctx)
		})
	}
	begun.Wait()
	ctx, done := value.WithAdmission(ctx)
	if err := fetch(ctx, 4_000_000); err != nil {
		t.Errorf("another large answer = %v, want it not to wait", err)
	}
	done()
	cancel()
	ended.Wait()
}

func TestAnAnswerOfTooManyPartsIsRefused(t *testing.T) {
	for name, body := range map[string]string{
		"objects": "[" + strings.Repeat("{},", 400_000) + "1]",
		"arrays":  "[" + strings.Repeat("[],", 400_000) + "1]",
		"numbers": "[" + strings.Repeat("1,", 1_000_000) + "1]",
		"members": `{"a":1` + strings.Repeat(`,"a":1`, 400_000) + "}",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		_, err := httpkind.Exchange{URL: address(server.URL)}.Fetch(t.Context())
		server.Close()
		if err == nil || !strings.Contains(err.Error(), "too many elements and members: they would take more than 32 MiB of memory") {
			t.Errorf("%s: %v, want them refused", name, err)
		}
	}
	record := `{"id": 1234567, "name": "a name of a thing", "temperature": 21.75, "humidity": 40.5, "pressure": 1013.25},`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "["+strings.Repeat(record, 3_000_000/len(record))+"1]")
	}))
	defer server.Close()
	if _, err := (httpkind.Exchange{URL: address(server.URL)}).Fetch(t.Context()); err != nil {
		t.Errorf("3 MB of records: %v, want them decoded", err)
	}
}

func address(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}
