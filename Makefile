# A convenience: each target is a script that a person can run.
.PHONY: fmt lint test bench e2e demo
fmt lint test bench e2e:
	ci/$@.sh
demo:
	go run ./cmd/tidewire demo
