#!/usr/bin/env bash
# Runs the benchmarks, ours and their yardsticks in the same run. Arguments go to `go test`,
# for example `ci/bench.sh -bench HotCycle -count 6`.
. "$(dirname "$0")/lib.sh"

cd bench
go test -run '^$' -bench . "$@" ./...
