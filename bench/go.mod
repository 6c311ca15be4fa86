module github.com/tidewire/tidewire/bench

go 1.26.0

require (
	github.com/go-co-op/gocron/v2 v2.21.2
	github.com/r3labs/sse/v2 v2.10.0
	github.com/reugn/go-quartz v0.15.2
	github.com/robfig/cron/v3 v3.0.1
	github.com/tidewire/tidewire v0.0.0
	github.com/tmaxmax/go-sse v0.11.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/jonboulle/clockwork v0.5.0 // indirect
	golang.org/x/net v0.59.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	gopkg.in/cenkalti/backoff.v1 v1.1.0 // indirect
)

replace github.com/tidewire/tidewire => ../
