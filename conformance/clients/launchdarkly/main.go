// Launchdarkly reads a stream with launchdarkly/eventsource.
package main

import (
	"os"

	"github.com/launchdarkly/eventsource"

	"github.com/tidewire/tidewire/conformance/clients/report"
)

func main() {
	stream, err := eventsource.SubscribeWithURL(os.Args[1],
		eventsource.StreamOptionErrorHandler(func(err error) eventsource.StreamErrorHandlerResult {
			report.Error(err)
			return eventsource.StreamErrorHandlerResult{}
		}))
	if err != nil {
		report.Error(err)
		report.End()
	}
	for ev := range stream.Events {
		report.Event(ev.Id(), ev.Event(), ev.Data())
	}
	report.End()
}
