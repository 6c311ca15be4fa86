module github.com/tidewire/tidewire/conformance

go 1.26.0

require (
	github.com/launchdarkly/eventsource v1.11.0
	github.com/r3labs/sse/v2 v2.10.0
	github.com/tidewire/tidewire v0.0.0
	github.com/tmaxmax/go-sse v0.12.0
)

require (
	golang.org/x/net v0.59.0 // indirect
	gopkg.in/cenkalti/backoff.v1 v1.1.0 // indirect
)

replace github.com/tidewire/tidewire => ../
