#!/usr/bin/env bash
# Vets and lints every module, the root for macOS and Windows too, the libraries for 32 bits, and fails if a go.mod is not
# tidy. --here leaves the other systems out, --elsewhere does them alone.
. "$(dirname "$0")/lib.sh"

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2

case ${1:-} in
'' | --here | --elsewhere) ;;
*)
	echo 'usage: ci/lint.sh [--here | --elsewhere]' >&2
	exit 2
	;;
esac

if [ "${1:-}" != --elsewhere ]; then
	each_module go mod tidy -diff
	each_module go vet ./...
	each_module go run "$staticcheck" ./...
fi
if [ "${1:-}" != --here ]; then
	for system in darwin windows; do # where the root compiles too, tests included
		GOOS=$system go vet ./...
	done
	GOARCH=386 go vet ./smartpoll/... ./snapshot/... ./natsstore ./sse/...
fi
