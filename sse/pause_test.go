package sse_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// sparse serves the topics a and b at most every pause.
func sparse(t *testing.T, pause time.Duration) (hub *sse.Hub, a, b *sse.Topic, srv *ssetest.Server) {
	ctx, cancel := context.WithCancel(context.Background())
	hub = sse.NewHub(ctx, &sse.HubOptions{DrainWindow: time.Millisecond})
	a, b = hub.Topic("a", sse.TopicOptions{}), hub.Topic("b", sse.TopicOptions{})
	t.Cleanup(cancel)
	return hub, a, b, ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := hub.With(sse.StreamOptions{HandOff: true, Pause: pause}).ServeAll(w, r, a, b); err != nil {
			t.Errorf("ServeAll = %v", err)
		}
	}))
}

func say(t *testing.T, topic *sse.Topic, format string, args ...any) {
	t.Helper()
	if err := topic.Publish(sse.Event{Data: fmt.Appendf(nil, format, args...)}); err != nil {
		t.Error(err)
	}
}

func TestAPauseBetweenEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, srv := sparse(t, 500*time.Millisecond)
		say(t, a, "a0")
		stream := srv.Open(t, "/", nil)
		begin := time.Now()
		go func() {
			for n := 1; n <= 20; n++ {
				time.Sleep(90 * time.Millisecond)
				say(t, a, "a%d", n)
				if n == 3 || n == 12 {
					say(t, b, "b%d", n)
				}
			}
			time.Sleep(10 * time.Second)
			say(t, b, "late")
		}()
		var got []string
		for len(got) < 8 {
			ev, err := stream.Next()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%v %s", time.Since(begin), ev.Data))
		}
		want := []string{"0s a0", "500ms b3", "500ms a5", "1s a11", "1.5s b12", "1.5s a16", "2s a20", "11.8s late"}
		if !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

// A pause that is longer than the heartbeats' silence holds up neither them nor the drain.
func TestAPauseBeatsAndDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, a, _, srv := sparse(t, time.Hour)
		say(t, a, "1")
		stream := srv.Open(t, "/", nil)
		begin := time.Now()
		say(t, a, "2")
		go func() {
			time.Sleep(time.Minute)
			if err := hub.Drain(context.Background()); err != nil {
				t.Errorf("Drain = %v", err)
			}
		}()
		var comments int
		var data []string
		for lines := bufio.NewScanner(stream.Response.Body); lines.Scan(); {
			switch text := lines.Text(); {
			case text == ":":
				comments++
			case len(text) > 6 && text[:6] == "data: ":
				data = append(data, text[6:])
			}
		}
		if took := time.Since(begin); took > 61*time.Second || comments < 3 || comments > 4 {
			t.Errorf("the stream ended after %v with %d heartbeats, want 1m0s and one every 15 s", took, comments)
		}
		if len(data) == 0 || data[0] != "1" {
			t.Errorf("data %q, want 1 first", data)
		}
	})
}
