#!/usr/bin/env bash
# Runs the browser tests: the real gateway in process, and headless Chromium. Arguments go to `go test`.
. "$(dirname "$0")/lib.sh"

find_chromium >/dev/null || need chromium "the browser tests drive it"
cd e2e
go test -race -shuffle=on "$@" ./...
