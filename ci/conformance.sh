#!/usr/bin/env bash
# Runs clients of others against Tidewire's hubs and gateway, directly, behind middleware that compresses and through
# reverse proxies, and Tidewire's clients against servers of others. On Debian it installs nginx-light, haproxy, caddy and
# varnish if they are missing. npm ci installs what conformance/clients/package-lock.json names, from its cache or else
# from the registry: @microsoft/fetch-event-source, better-sse, eventsource in versions 2 to 4, eventsource-client,
# eventsource-parser and undici, without their scripts. The Go modules are those of conformance/go.mod. Arguments are
# passed to `go test`.
. "$(dirname "$0")/lib.sh"

export PATH="$PATH:/usr/sbin" # Debian has most of the proxies there, which is not in every user's path

command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || {
	echo 'ci: Node.js 20 or newer with npm is missing (the clients from npm run on it): install it from https://nodejs.org/' >&2
	exit 1
}
command -v nginx >/dev/null || need nginx-light "the conformance tests put it between client and server"
for proxy in haproxy caddy varnish; do
	command -v "${proxy/varnish/varnishd}" >/dev/null || need "$proxy" "the conformance tests put it between client and server"
done
npm ci --prefix conformance/clients --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error || {
	echo 'ci: npm could not install conformance/clients/package-lock.json: the conformance tests need the npm registry, or its packages in the cache of npm' >&2
	exit 1
}
cd conformance
go test -race -shuffle=on "$@" ./...
