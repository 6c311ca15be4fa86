#!/usr/bin/env bash
# Runs every check that a change must pass: format, vet, lint, all tests under the race detector, the browser tests, and
# the conformance tests. On Debian it installs missing programs (a C compiler for the race detector, Chromium, proxies);
# elsewhere it tells what to install.
. "$(dirname "$0")/lib.sh"

command -v go >/dev/null || {
	echo 'ci: Go is missing: install Go 1.26 or newer from https://go.dev/dl/' >&2
	exit 1
}
command -v "$(go env CC)" >/dev/null || need gcc "the race detector needs a C compiler"
echo '#include <stdlib.h>' | "$(go env CC)" -E - >/dev/null 2>&1 || need libc6-dev "the race detector needs the C headers"

say format
ci/fmt.sh --check
say lint
ci/lint.sh --here
say tests
CGO_ENABLED=1 go test -race -shuffle=on ./...

# What follows waits more than it computes: compiling for other systems takes what is left of the processors meanwhile.
elsewhere=$(mktemp)
set -m # in a process group of its own, which ends with this script
nice -n 19 ci/lint.sh --elsewhere >"$elsewhere" 2>&1 &
compiling=$!
set +m
trap 'kill -- -"$compiling" 2>/dev/null; rm -f "$elsewhere"' EXIT

say benchmarks compile and their checks pass
(cd bench && go test ./...)
say examples with modules of their own
(cd examples/cron && go test ./...)
(cd examples/cluster && go test ./...)
say the store of several processes, on servers of NATS
(cd natsstore/natsstoretest && CGO_ENABLED=1 go test -race -shuffle=on -parallel 4 .)
say browser tests
ci/e2e.sh
say conformance with clients, servers and proxies of others
ci/conformance.sh
say lint for other systems
wait "$compiling" || {
	cat "$elsewhere"
	exit 1
}
