package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	r3labs "github.com/r3labs/sse/v2"
	tmaxmax "github.com/tmaxmax/go-sse"

	"github.com/tidewire/tidewire/sse"
)

// Other libraries' readers get what was published, and no empty message for `retry:` and heartbeats.
func TestOtherReadersGetNoEmptyMessage(t *testing.T) {
	for name, read := range map[string]func(ctx context.Context, url string, heard func(string)) error{
		"tmaxmax": func(ctx context.Context, url string, heard func(string)) error {
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			for ev, err := range tmaxmax.Read(response.Body, nil) {
				if err != nil {
					return err
				}
				heard(ev.Data)
			}
			return nil
		},
		"r3labs": func(ctx context.Context, url string, heard func(string)) error {
			return r3labs.NewClient(url).SubscribeRawWithContext(ctx, func(ev *r3labs.Event) { heard(string(ev.Data)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			hub := sse.NewHub(ctx, &sse.HubOptions{Heartbeat: 20 * time.Millisecond})
			topic := hub.Topic("a", sse.TopicOptions{})
			beats := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				// Heartbeats are counted as they are written through w, which a taken connection would bypass.
				streams := hub.With(sse.StreamOptions{KeepConnection: true})
				if err := streams.Serve(&beating{w, func() {
					if beats++; beats == 3 {
						_ = topic.Publish(sse.Event{Data: []byte("last")})
					}
				}}, r, topic); err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()
			defer cancel()
			_ = topic.Publish(sse.Event{Data: []byte("first")})
			var got []string
			err := read(ctx, server.URL, func(data string) {
				if got = append(got, data); data == "last" || len(got) > 5 {
					cancel()
				}
			})
			if want := []string{"first", "last"}; !slices.Equal(got, want) {
				t.Errorf("it heard %q, %v, want %q", got, err, want)
			}
		})
	}
}

// beating tells of each heartbeat that is written.
type beating struct {
	http.ResponseWriter
	beat func()
}

func (b *beating) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (b *beating) Write(p []byte) (int, error) {
	n, err := b.ResponseWriter.Write(p)
	if p[0] == ':' {
		b.beat()
	}
	return n, err
}
