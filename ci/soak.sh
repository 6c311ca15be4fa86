#!/usr/bin/env bash
# Runs the scheduler's soak under the race detector: everything at random, restarted all the
# time, for a minute or what the first argument says (a Go duration).
. "$(dirname "$0")/lib.sh"

CGO_ENABLED=1 go test -race -count 1 -timeout 0 -v -run '^TestSoak$' ./smartpoll -soak "${1:-60s}"
