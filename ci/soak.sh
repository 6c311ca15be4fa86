#!/usr/bin/env bash
# Runs the scheduler's soak test under the race detector: random operations with constant restarts, for a minute or the
# duration in the first argument (in Go's notation).
. "$(dirname "$0")/lib.sh"

CGO_ENABLED=1 go test -race -count 1 -timeout 0 -v -run '^TestSoak$' ./smartpoll -soak "${1:-60s}"
