package sse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/tidewire/tidewire/sse"
)

// Everybody may read a stream, each the topics that are theirs; an observer is told of those who may read none.
func ExampleStreamOptions_partial() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hub := sse.NewHub(ctx, &sse.HubOptions{
		Subject: func(r *http.Request) any { return r.FormValue("user") },
		OnSubscribe: func(r *http.Request, t *sse.Topic) error {
			if user := r.FormValue("user"); user == "eve" || user != "ann" && t.Name() == "wages" {
				return errors.New("not yours")
			}
			return nil
		},
		Observer: &sse.Observer{Refused: func(r sse.Refused) { fmt.Println("refused:", r.Subject, r.Cause) }},
	})
	tank, wages := hub.Topic("tank", sse.TopicOptions{}), hub.Topic("wages", sse.TopicOptions{})
	tank.Publish(sse.Event{Data: []byte(`{"key":"tank","level":12}`)})
	wages.Publish(sse.Event{Data: []byte(`{"key":"wages","sum":100}`)})
	streams := hub.With(sse.StreamOptions{Partial: true})
	srv := httptest.NewServer(streams.Handler(func(*http.Request) ([]*sse.Topic, error) {
		return []*sse.Topic{tank, wages}, nil
	}))
	defer srv.Close()
	defer cancel()

	for _, user := range []string{"ann", "bob", "eve"} {
		resp, err := http.Get(srv.URL + "?user=" + user)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		fmt.Println(user, resp.Status)
		for d, n := sse.NewDecoder(resp.Body, nil), 0; n < 2 && resp.StatusCode == http.StatusOK; n++ {
			ev, _ := d.Next()
			fmt.Printf("  %s %s\n", ev.Name, ev.Data)
		}
	}
	// Output:
	// ann 200 OK
	//    {"key":"tank","level":12}
	//    {"key":"wages","sum":100}
	// bob 200 OK
	//   refused ["wages"]
	//    {"key":"tank","level":12}
	// refused: eve forbidden
	// eve 403 Forbidden
}
