// Go-sse reads a stream with tmaxmax/go-sse.
package main

import (
	"net/http"
	"os"
	"time"

	"github.com/tmaxmax/go-sse"

	"github.com/tidewire/tidewire/conformance/clients/report"
)

func main() {
	req, err := http.NewRequest(http.MethodGet, os.Args[1], nil)
	if err != nil {
		report.Error(err)
		report.End()
	}
	client := &sse.Client{
		OnRetry: func(err error, _ time.Duration) { report.Error(err) },
		Backoff: sse.Backoff{Jitter: 1e-9}, // by default it waits for half to one and a half times as long as it is told
	}
	conn := client.NewConnection(req)
	conn.Buffer(nil, 4<<20) // 64 KB by default
	conn.SubscribeToAll(func(ev sse.Event) { report.Event(ev.LastEventID, ev.Type, ev.Data) })
	report.Error(conn.Connect())
	report.End()
}
