#!/usr/bin/env bash
# Disturbs what shares a store on NATS, and checks what happened, for three minutes or as long as the first argument says (such
# as 30m), in two parts of which each takes that long. First four processes that use natsstore on three servers: each claim, put,
# end and everything that followers were told. Then three gateways on three servers, behind a balancer, with 60 jobs and 200
# streams: a third of the time there are no faults. The logs are kept in natsstore/natsstoretest/_artifacts. The second argument is
# the seed of the faults, the third which tests run.
. "$(dirname "$0")/lib.sh"

cd natsstore/natsstoretest
go test -race -v -run "${3:-^Test(Gateway)?Chaos\$}" -timeout 0 -artifacts -chaos "${1:-3m}" -seed "${2:-$RANDOM}" .
