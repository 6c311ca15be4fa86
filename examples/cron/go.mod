module github.com/tidewire/tidewire/examples/cron

go 1.26.0

require (
	github.com/netresearch/go-cron v0.9.1
	github.com/tidewire/tidewire v0.0.0
)

require golang.org/x/time v0.16.0 // indirect

replace github.com/tidewire/tidewire => ../..
