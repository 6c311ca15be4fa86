package sse_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// A topic keeps its newest snapshot; whoever comes gets it at once, then what follows, and at last the terminal.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hub := sse.NewHub(ctx, nil)
	scan := hub.Topic("scan", sse.TopicOptions{})
	scan.Open("run1")

	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := hub.Serve(w, r, scan); err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	}))
	defer srv.Close()

	scan.Publish(sse.Event{Data: []byte(`{"percent":10}`)})
	scan.Publish(sse.Event{Data: []byte(`{"percent":50}`)})

	resp, err := http.Get(srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	for ev, err := range sse.Read(resp.Body, nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %s\n", ev.ID, ev.Data)
		if ev.ID == "run1-2" {
			scan.Close(sse.Event{Data: []byte(`{"percent":100}`)})
		}
	}
	// Output:
	// run1-2 {"percent":50}
	// run1-end {"percent":100}
}

// One stream carries many topics, so a page needs one connection; the payloads name their topics.
func ExampleHub_ServeAll() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hub := sse.NewHub(ctx, nil)
	tank, pump := hub.Topic("tank", sse.TopicOptions{}), hub.Topic("pump", sse.TopicOptions{})

	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := hub.ServeAll(w, r, tank, pump); err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	}))
	defer srv.Close()

	tank.Publish(sse.Event{Data: []byte(`{"key":"tank","level":12}`)})
	pump.Publish(sse.Event{Data: []byte(`{"key":"pump","on":false}`)})

	resp, err := http.Get(srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	d := sse.NewDecoder(resp.Body, nil)
	for range 2 {
		ev, _ := d.Next()
		fmt.Printf("%s\n", ev.Data)
	}
	pump.Publish(sse.Event{Data: []byte(`{"key":"pump","on":true}`)})
	ev, _ := d.Next()
	fmt.Printf("%s\n", ev.Data)
	// Output:
	// {"key":"tank","level":12}
	// {"key":"pump","on":false}
	// {"key":"pump","on":true}
}

// A handler whose streams need no goroutine, behind a listener that keeps slow readers fresh; an observer counts them.
func ExampleHub_Handler() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opened := make(chan sse.Engine, 1)
	hub := sse.NewHub(ctx, &sse.HubOptions{
		Quotas:   []sse.Quota{sse.PerClient(20, nil)},
		Observer: &sse.Observer{Opened: func(e sse.Engine) { opened <- e }},
	})
	tank := hub.Topic("tank", sse.TopicOptions{})
	tank.Publish(sse.Event{Data: []byte(`{"level":12}`)})

	srv := httptest.NewUnstartedServer(hub.Handler(func(r *http.Request) ([]*sse.Topic, error) {
		if topic, ok := hub.Lookup(r.URL.Query().Get("topic")); ok {
			return []*sse.Topic{topic}, nil
		}
		return nil, sse.ErrGone
	}))
	srv.Listener = sse.NewListener(srv.Listener)
	srv.Start()
	defer srv.Close()

	resp, err := http.Get(srv.URL + "?topic=tank")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	d := sse.NewDecoder(resp.Body, nil)
	for level := 13; level < 15; level++ {
		ev, _ := d.Next()
		fmt.Printf("%s\n", ev.Data)
		tank.Publish(sse.Event{Data: fmt.Appendf(nil, `{"level":%d}`, level)})
	}
	fmt.Println("handed off:", <-opened == sse.EngineHandOff || runtime.GOOS != "linux")
	// Output:
	// {"level":12}
	// {"level":13}
	// handed off: true
}

func ExampleEvent_AppendTo() {
	wire, err := sse.Event{ID: "7", Name: "note", Data: []byte("two\nlines"), Retry: 3 * time.Second}.AppendTo(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	os.Stdout.Write(wire)
	_, err = sse.Event{Name: "two\nlines"}.AppendTo(nil)
	fmt.Println(err)
	// Output:
	// id: 7
	// event: note
	// retry: 3000
	// data: two
	// data: lines
	//
	// sse: event name "two\nlines" has '\n' at byte 3: a name is one line without NUL
}

func ExampleDecoder() {
	d := sse.NewDecoder(strings.NewReader("retry: 2000\n\n: a comment\n\nid: 1\ndata: a\ndata: b\n\ndata: incomplete"), nil)
	for {
		ev, err := d.Next()
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%q\n", ev.Data)
	}
	fmt.Println(d.LastEventID(), d.Retry())
	// Output:
	// "a\nb"
	// EOF
	// 1 2s
}

func ExampleTopic_Watch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	topic := sse.NewHub(ctx, nil).Topic("scan", sse.TopicOptions{})
	topic.Open("run1")
	topic.Publish(sse.Event{Data: []byte("50 %")})
	for ev := range topic.Watch(ctx) {
		fmt.Printf("%s %s\n", ev.ID, ev.Data)
		topic.Close(sse.Event{Data: []byte("done")}) // fails with ErrClosed the second time
	}
	// Output:
	// run1-1 50 %
	// run1-end done
}

// A log outlives its process: the next one restores what was kept, and a reader goes on after the last event that it has had.
func ExampleTopic_Restore() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	before := sse.NewHub(ctx, nil).Topic("chat", sse.TopicOptions{Backlog: 100})
	before.Open("day1")
	for _, text := range []string{"hello", "anybody here?", "yes"} {
		before.Publish(sse.Event{Data: []byte(text)})
	}
	run, next, events := before.Kept() // what the application stores

	hub := sse.NewHub(ctx, nil)
	after := hub.Topic("chat", sse.TopicOptions{Backlog: 100})
	if err := after.Restore(run, next, events); err != nil {
		fmt.Println(err)
		return
	}
	after.Publish(sse.Event{Data: []byte("back again")})

	srv := httptest.NewServer(hub.Handler(func(*http.Request) ([]*sse.Topic, error) { return []*sse.Topic{after}, nil }))
	defer srv.Close()
	defer cancel()
	req, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
	req.Header.Set("Last-Event-ID", "day1-2")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	d := sse.NewDecoder(resp.Body, nil)
	for range 2 {
		ev, _ := d.Next()
		fmt.Printf("%s %s\n", ev.ID, ev.Data)
	}
	// Output:
	// day1-3 yes
	// day1-4 back again
}
