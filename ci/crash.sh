#!/usr/bin/env bash
# Kills a busy gateway that keeps its state on disk ten times, or as often as the first argument says, and fails if
# anything is missing after it has started again, or a receiver of alerts was not told as it should. Everything runs on loopback.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/tidewire" ./cmd/tidewire
cd bench
go build -o "$work/crash" ./crash
"$work/crash" -gateway "$work/tidewire" -dir "$work" -kills "${1:-10}"
