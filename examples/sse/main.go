// Command sse streams the time of day to any number of readers: curl -N http://127.0.0.1:8481
package main

import (
	"context"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/sse"
)

func main() {
	hub := sse.NewHub(context.Background(), nil)
	clock := hub.Topic("clock", sse.TopicOptions{})
	go func() {
		for now := range time.Tick(time.Second) {
			clock.Publish(sse.Event{Data: []byte(now.Format(time.TimeOnly))})
		}
	}()
	http.ListenAndServe("127.0.0.1:8481", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := hub.Serve(w, r, clock); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
}
