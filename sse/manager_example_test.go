package sse_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// What happens somewhere in a program reaches whoever watches.
func ExampleManager() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	alarms := sse.NewManager(ctx, nil, 30*time.Second)

	mux := http.NewServeMux()
	mux.Handle("GET /alarms", alarms.Handler(sse.WithCustomTopic("alarms")))
	srv := httptest.NewServer(mux)
	defer srv.Close()

	res, err := http.Get(srv.URL + "/alarms")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	alarms.Publish("alarms", map[string]any{"device": "pump", "text": "too hot"})

	for ev, err := range sse.Read(res.Body, nil) {
		fmt.Println(string(ev.Data), err)
		break
	}
	// Output:
	// {"device":"pump","text":"too hot"} <nil>
}

// A level is read every 10 ms while somebody watches it, and sent when it changed.
func ExampleNewPolling() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	levels := []int{40, 40, 41, 41, 43}
	tank := sse.NewPolling(nil, func(ctx context.Context) (any, error) {
		level := levels[0]
		levels = levels[1:]
		return level, nil
	},
		sse.WithCustomPollingInterval(10*time.Millisecond),
		sse.WithStopCondition(func(level any) bool { return level.(int) > 42 }),
	)
	m := sse.NewManager(ctx, nil, 0)
	srv := httptest.NewServer(m.Handler(sse.WithPollingService(tank)))
	defer srv.Close()

	res, err := http.Get(srv.URL + "/tank")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	for ev, err := range sse.Read(res.Body, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(ev.Data))
		if string(ev.Data) == "43" {
			break
		}
	}
	// Output:
	// 40
	// 41
	// 43
}
