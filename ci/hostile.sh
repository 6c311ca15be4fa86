#!/usr/bin/env bash
# Runs the gateway with honest users and everything hostile that we know at once, for a minute or what the first argument says
# (a Go duration), and fails if that costs the honest ones anything. All of it is on loopback.
. "$(dirname "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/tidewire" ./cmd/tidewire
cd bench
go build -o "$work/hostile" ./hostile
"$work/hostile" -gateway "$work/tidewire" -dir "$work" -for "${1:-1m}"
