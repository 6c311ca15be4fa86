#!/usr/bin/env bash
# Runs the gateway with honest users and all known attacks at once, for a minute or the duration in the first argument
# (in Go's notation), and fails if the honest users notice anything. Everything runs on loopback.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/tidewire" ./cmd/tidewire
cd bench
go build -o "$work/hostile" ./hostile
"$work/hostile" -gateway "$work/tidewire" -dir "$work" -for "${1:-1m}"
