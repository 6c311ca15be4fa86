// Tidewire reads a stream with sse.Client. If its first argument is gzip, it lets the server compress.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/tidewire/tidewire/conformance/clients/report"
	"github.com/tidewire/tidewire/sse"
)

func main() {
	req, err := http.NewRequest(http.MethodGet, os.Args[len(os.Args)-1], nil)
	if err != nil {
		report.Error(err)
		report.End()
	}
	if os.Args[1] == "gzip" {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	client := &sse.Client{
		MaxEvent:  4 << 20,
		OnConnect: func(*http.Response) { report.Open() },
		OnRetry:   func(err error, wait time.Duration) { report.Error(fmt.Errorf("%w: comes back in %v", err, wait)) },
	}
	for ev, err := range client.Events(context.Background(), req) {
		if err != nil {
			report.Error(err)
			break
		}
		report.Event(ev.ID, ev.Name, string(ev.Data))
	}
	report.End()
}
