#!/usr/bin/env bash
# Disturbs three servers of NATS and four processes that share a store on them, for three minutes or as long as the first
# argument says (such as 30m), and checks what happened: each claim, put, end and everything that followers were told. If
# that is not as promised, it says where the history is. At the same time three gateways on servers of their own are killed and
# stopped, and what their sources, runs and keys come to is checked. A second argument is the seed of the faults.
. "$(dirname "$0")/lib.sh"

cd natsstore/natsstoretest
go test -race -v -run '^Test(Gateway)?Chaos$' -timeout 0 -artifacts -chaos "${1:-3m}" -seed "${2:-$RANDOM}" .
