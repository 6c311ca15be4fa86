# Functions for the other scripts here: `. "$(dirname "$0")/lib.sh"`. Every script runs in the root of the repository,
# wherever it is called from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The modules of this repository; all except the first are leaves that are not imported.
modules=(. bench conformance e2e examples/cron natsstore/natsstoretest)

# say prints a heading, so that a long log can be scanned.
say() { printf '\n== %s\n' "$*"; }

# each_module runs a command in every module.
each_module() {
	local module
	for module in "${modules[@]}"; do
		(cd "$module" && "$@")
	done
}

# find_chromium prints the path of the browser for the browser tests, or fails.
find_chromium() {
	local name
	for name in "${TIDEWIRE_CHROMIUM:-}" chromium chromium-browser google-chrome; do
		if [ -n "$name" ] && command -v "$name"; then return 0; fi
	done
	return 1
}

# need PACKAGE WHY installs a Debian package, or tells what to install.
need() {
	local package=$1 why=$2 sudo=
	[ "$(id -u)" -eq 0 ] || sudo=sudo
	if command -v apt-get >/dev/null && { [ -z "$sudo" ] || command -v sudo >/dev/null; }; then
		say "installing $package ($why)"
		$sudo apt-get update -qq
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
		return
	fi
	printf 'ci: %s is missing (%s). Install it with the package manager of this system and run this script again.\n' "$package" "$why" >&2
	exit 1
}
