#!/usr/bin/env bash
# Formats all Go code. With --check it changes nothing, and fails if a file is not formatted.
. "$(dirname "$0")/lib.sh"

if [ "${1:-}" != --check ]; then
	gofmt -l -w .
	exit
fi
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
	printf 'ci: these files are not formatted; run ci/fmt.sh:\n%s\n' "$unformatted" >&2
	exit 1
fi
