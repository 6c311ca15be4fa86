package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/events"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// brokenEvents are an archive that cannot be read while err is set.
type brokenEvents struct {
	archive.Events
	err error
}

func (b *brokenEvents) List(ctx context.Context, f archive.EventFilter, limit int) ([]archive.Event, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.Events.List(ctx, f, limit)
}

func (b *brokenEvents) Oldest(ctx context.Context) (int64, error) {
	if b.err != nil {
		return 0, b.err
	}
	return b.Events.Oldest(ctx)
}

// newJournal is the journal of services.
func newJournal(t *testing.T, in archive.Events, topic *sse.Topic) *events.Journal {
	t.Helper()
	j, err := events.Open(t.Context(), events.Deps{Archive: in, Clock: clock.New(), Wake: func(id int64) {
		_ = topic.Publish(sse.Event{ID: strconv.FormatInt(id, 10)})
	}})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// list asks for a page of events.
func list(t *testing.T, h http.Handler, query string) (page wire.Events) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/api/v1/events"+query, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != 200 || page.Events == nil {
		t.Fatalf("events%s = %d %s, want 200 and events", query, w.Code, w.Body)
	}
	return page
}

// An event says what people call its source now, and names one that is gone.
func TestEventsHaveTitles(t *testing.T) {
	s, h := newServices(t)
	s.journal.SourceChanged("tank", "ok", "stale", nil)
	s.journal.SourceChanged("gone", "ok", "failing", nil)
	all := list(t, h, "").Events
	if all[1].Title != "Source tank" || all[0].Title != "gone" || all[2].Title != "" {
		t.Errorf("the titles are %q, %q and %q, want gone, Source tank and none", all[0].Title, all[1].Title, all[2].Title)
	}
}

func TestAListOfEvents(t *testing.T) {
	s, h := newServices(t)
	why := "no route"
	s.journal.SourceChanged("a", "ok", "stale", &why) // 1, behind the start
	s.journal.AlertChanged("a", "", "firing", "")     // 2
	s.journal.SourceChanged("b", "ok", "failing", nil)
	s.journal.SourceChanged("c", "ok", "stale", nil)
	for _, tt := range []struct{ query, want string }{
		{"", "c stale, b failing, a firing, a stale: no route,  started"},
		{"?limit=2", "c stale, b failing"},
		{"?kind=state&source=a&source=c", "c stale, a stale: no route"},
		{"?kind=alert,start", "a firing,  started"},
		{"?source=x", ""},
		{"?job=x", ""},
		{"?since=1h&kind=alert", "a firing"},
		{"?since=7d&until=1y", ""},
		{"?since=2001-01-01T00:00:00+01:00&kind=alert", "a firing"},
		{"?since=007d&kind=alert", "a firing"},
		{"?since=2001-01-01T00:00:00Z&until=2002-01-01T00:00:00Z", ""},
	} {
		var got []string
		for _, e := range list(t, h, tt.query).Events {
			got = append(got, e.Source+" "+e.Text)
		}
		if got := strings.Join(got, ", "); got != tt.want {
			t.Errorf("events%s = %s, want %s", tt.query, got, tt.want)
		}
	}
	page, all := list(t, h, "?limit=3"), list(t, h, "")
	rest := list(t, h, "?limit=3&cursor="+*page.Next)
	if got := slices.Concat(page.Events, rest.Events); fmt.Sprint(got) != fmt.Sprint(all.Events) || rest.Next != nil || all.Next != nil {
		t.Errorf("in pages: %v, want %v", got, all.Events)
	}
	for query, want := range map[string]string{
		"?kind=x":                      "kind=x is none: there are state, alert, told, run, reload, sign-in, sign-out, start, stop, store, replica",
		"?limit=0":                     "limit=0 is not a number from 1 to 1000",
		"?limit=1001":                  "limit=1001 is not a number from 1 to 1000",
		"?cursor=x":                    "cursor=x is none: give the next of the answer before",
		"?since=x":                     "since=x is neither a time such as 2026-11-21T18:40:00Z nor a duration such as 1h or 30d",
		"?until=x":                     "until=x is neither a time such as 2026-11-21T18:40:00Z nor a duration such as 1h or 30d",
		"?sources=a":                   "there is no parameter \"sources\": write kind, source, job, since, until, limit or cursor",
		"?limit=1&limit=2":             "limit is given twice",
		strings.Repeat("&job=a", 1001): "",
	} {
		resp, got := do(t, h, "GET", "/api/v1/events?"+query[min(1, len(query)):], "")
		if resp.StatusCode != 400 || want != "" && got["detail"] != want {
			t.Errorf("events%.20s = %d %v, want 400 %s", query, resp.StatusCode, got["detail"], want)
		}
	}
	if resp, _ := do(t, h, "GET", "/api/v1/events?cursor=1", "", "Accept", "text/event-stream"); resp.StatusCode != 400 {
		t.Errorf("a stream from a cursor = %d, want 400", resp.StatusCode)
	}
}

// What cannot be read is neither an empty list nor a stream.
func TestEventsThatCannotBeRead(t *testing.T) {
	s, h := newServices(t)
	s.events.err = errors.New("the disk is gone")
	for _, accept := range []string{"application/json", "text/event-stream"} {
		resp, got := do(t, h, "GET", "/api/v1/events", "", "Accept", accept)
		if resp.StatusCode != 503 || got["detail"] != "the past cannot be read; the log says more" {
			t.Errorf("%s = %d %v, want 503", accept, resp.StatusCode, got)
		}
	}
}

// follow reads a stream of events until each returns false.
func follow(t *testing.T, url, last string, each func(sse.Event) bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	for ev, err := range sse.Read(resp.Body, nil) {
		if err != nil {
			t.Errorf("the stream broke off: %v", err)
			return
		}
		if !each(ev) {
			return
		}
	}
}

// Whatever writers, readers of pages and readers of streams do at the same time, each sees each event once and in order.
func TestListsAndStreamsHaveTheSameEvents(t *testing.T) {
	s, h := newServices(t)
	server := httptest.NewServer(h)
	defer server.Close()
	const writers, each = 4, 150
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var all, writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := range each {
				s.journal.AlertChanged(fmt.Sprintf("%d.%d", w, i), "", "firing", "")
				for range random.IntN(2000) {
					_ = i // a pause that does not depend on the clock
				}
			}
		})
	}
	var streamed []string
	all.Go(func() { // comes back after a few events
		random := rand.New(rand.NewPCG(seed, 100))
		last := ""
		for len(streamed) < writers*each {
			left := 1 + random.IntN(60)
			follow(t, server.URL+"/api/v1/events?kind=alert&limit=1000", last, func(ev sse.Event) bool {
				if ev.Name != "" {
					t.Errorf("the stream has an event %s", ev.Name)
				}
				var e wire.Event
				if err := json.Unmarshal(ev.Data, &e); err != nil || e.ID != ev.ID {
					t.Errorf("event %s %s: %v", ev.ID, ev.Data, err)
				}
				last, streamed = ev.ID, append(streamed, e.ID+" "+e.Source)
				left--
				return left > 0 && len(streamed) < writers*each
			})
		}
	})
	pages := func(random *rand.Rand) (got []string) {
		for cursor := ""; ; {
			page := list(t, h, fmt.Sprintf("?kind=alert&limit=%d&cursor=%s", 1+random.IntN(50), cursor))
			for _, e := range page.Events {
				got = append(got, e.ID+" "+e.Source)
			}
			if page.Next == nil {
				slices.Reverse(got)
				return got
			}
			cursor = *page.Next
		}
	}
	var walks [][]string
	all.Go(func() {
		random := rand.New(rand.NewPCG(seed, 101))
		for range 5 {
			walks = append(walks, pages(random))
		}
	})
	writing.Wait()
	all.Wait()
	want := pages(rand.New(rand.NewPCG(seed, 102)))
	if len(want) != writers*each || !slices.IsSortedFunc(want, func(a, b string) int { return strings.Compare(a[:16], b[:16]) }) {
		t.Fatalf("%d events are listed, want %d in order", len(want), writers*each)
	}
	if !slices.Equal(streamed, want) {
		t.Errorf("the stream had %d events, want the same %d as the list", len(streamed), len(want))
	}
	for _, walk := range walks {
		if len(walk) > len(want) || !slices.Equal(walk, want[:len(walk)]) {
			t.Errorf("pages had %d events that are not the first of the list", len(walk))
		}
	}
	seen := map[string]int{} // of each writer
	for _, line := range want {
		w, i, _ := strings.Cut(strings.Fields(line)[1], ".")
		if strconv.Itoa(seen[w]) != i {
			t.Fatalf("%s follows %d events of its writer", line, seen[w])
		}
		seen[w]++
	}
}

// A client that was away for too long, or comes from another gateway, is told that it has missed something.
func TestAStreamThatMissedEvents(t *testing.T) {
	s, h := newServices(t)
	server := httptest.NewServer(h)
	defer server.Close()
	first := list(t, h, "").Events[0].ID
	for i := range 1001 {
		s.journal.SourceChanged(fmt.Sprint(i), "ok", "stale", nil)
	}
	newest := list(t, h, "?limit=1").Events[0].ID
	for _, tt := range []struct {
		query, last string
		gap         bool
		want        int
	}{
		{"", "", false, 100},
		{"?limit=3", "", false, 3},
		{"?source=7", "", false, 1},
		{"?source=7", first, false, 1},
		{"", first, true, 1000},
		{"", "1", true, 1000},
		{"?source=7", "1", true, 1},
		{"", newest + "0", true, 1000},
		{"", "R-7", true, 1000},
	} {
		gap, got := false, 0
		follow(t, server.URL+"/api/v1/events"+tt.query, tt.last, func(ev sse.Event) bool {
			gap = gap || ev.Name == "gap"
			if ev.Name == "" {
				got++
			}
			return got < tt.want
		})
		if gap != tt.gap || got != tt.want {
			t.Errorf("the stream%s from %q has %d events, gap %v, want %d, gap %v", tt.query, tt.last, got, gap, tt.want, tt.gap)
		}
	}
}
