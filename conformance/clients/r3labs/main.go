// R3labs reads a stream with r3labs/sse.
package main

import (
	"os"
	"time"

	"github.com/r3labs/sse/v2"

	"github.com/tidewire/tidewire/conformance/clients/report"
)

func main() {
	client := sse.NewClient(os.Args[1], sse.ClientMaxBufferSize(4<<20)) // 64 KB by default
	client.ReconnectNotify = func(err error, _ time.Duration) { report.Error(err) }
	report.Error(client.SubscribeRaw(func(ev *sse.Event) { report.Event(string(ev.ID), string(ev.Event), string(ev.Data)) }))
	report.End()
}
