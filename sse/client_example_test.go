package sse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// A stream that breaks off is taken up again where it was, until the server says that there is no more.
func ExampleClient() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hub := sse.NewHub(ctx, nil)
	scan := hub.Topic("scan", sse.TopicOptions{})
	scan.Open("run1")
	scan.Publish(sse.Event{Data: []byte("10 %")})
	requests := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests == 1 { // the first time, a proxy is in the way
			http.Error(w, "the server is restarting", http.StatusBadGateway)
			return
		}
		if err := hub.Serve(w, r, scan); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	}))
	defer srv.Close()

	client := &sse.Client{
		Retry:          10 * time.Millisecond,
		StopAtTerminal: true,
		OnRetry: func(err error, _ time.Duration) {
			var status *sse.StatusError
			if errors.As(err, &status) {
				fmt.Println("later, after", status.StatusCode)
			}
		},
	}
	req, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
	for ev, err := range client.Events(ctx, req) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %s\n", ev.ID, ev.Data)
		scan.Close(sse.Event{Data: []byte("100 %")})
	}
	// Output:
	// later, after 502
	// run1-1: 10 %
	// run1-end: 100 %
}
