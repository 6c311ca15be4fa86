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

# What follows waits more than it computes, so some of it runs beside the rest, in process groups that end with this script.
kept=$(mktemp -d)
declare -A besides=()
trap 'for group in "${besides[@]}"; do kill -- -"$group" 2>/dev/null; done; rm -rf "$kept"' EXIT

# beside NAME COMMAND... starts a command; what it prints is kept.
beside() {
	local name=$1
	shift
	set -m
	"$@" >"$kept/$name" 2>&1 &
	besides[$name]=$!
	set +m
}

# finish NAME waits for the end of that command, prints what it printed, and fails if it has failed.
finish() {
	local failed=
	wait "${besides[$1]}" || failed=1
	unset "besides[$1]"
	cat "$kept/$1"
	[ -z "$failed" ]
}

beside lint nice -n 19 ci/lint.sh --elsewhere
beside nats env CGO_ENABLED=1 go test -C natsstore/natsstoretest -race -shuffle=on -parallel 4 .
say benchmarks compile and their checks pass
(cd bench && go test ./...)
say examples with modules of their own
(cd examples/cron && go test ./...)
(cd examples/cluster && go test ./...)
say conformance with clients, servers and proxies of others
ci/conformance.sh
say the store of several processes, on servers of NATS
finish nats
say browser tests
ci/e2e.sh
say lint for other systems
finish lint
