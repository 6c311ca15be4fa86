#!/usr/bin/env bash
# Runs the benchmarks, with those of other libraries in the same run. Arguments are passed to `go test`, for example
# `ci/bench.sh -bench HotCycle -count 6`.
. "$(dirname "$0")/lib.sh"

cd bench
go test -run '^$' -bench . "$@" ./...
