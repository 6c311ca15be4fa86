#!/usr/bin/env bash
# Runs the browser tests: the real gateway in process, headless Chromium and Firefox, axe-core of npm, and nginx between
# them. Arguments are passed to `go test`.
. "$(dirname "$0")/lib.sh"

export PATH="$PATH:/usr/sbin" # Debian has nginx there, which is not in every user's path

find_chromium >/dev/null || need chromium "the browser tests drive it"
command -v prometheus >/dev/null || need prometheus "the browser tests have it scrape the gateway and evaluate the documented alerts"
command -v nginx >/dev/null || need nginx-light "the browser tests put it between page and gateway"
{ command -v firefox-esr || command -v firefox; } >/dev/null || need firefox-esr "the browser tests drive it, too"
command -v npm >/dev/null || need npm "it brings axe-core, which checks that pages are accessible"
cd e2e
npm ci --ignore-scripts --no-audit --no-fund --silent
if [ $# -gt 0 ]; then
	go test -race -shuffle=on -timeout 15m "$@" ./...
else # the schema is read by one goroutine, and that takes six times as long with the race detector
	go test -race -shuffle=on -timeout 15m -skip '^TestSchema' ./...
	go test -shuffle=on -run '^TestSchema' .
fi
