// Command crash kills a gateway that keeps its state on disk, again and again and while it is busy, and checks after each
// new start that nothing is missing:
//
//	go build -o /tmp/tidewire ../cmd/tidewire && go run ./crash -gateway /tmp/tidewire -dir "$(mktemp -d)"
//
// The gateway polls 500 sources every second and runs 60 jobs without a pause. Besides, the alerts of 24 sources and six
// jobs fire and are resolved all the time, and two receivers are told, of which one is often slow or refuses. The gateway
// gets SIGKILL at random moments. The command fails unless
//
//   - the gateway is ready again within a second, and refuses no start from then on;
//   - each run whose start was answered can be found: with the end that a client was told of, or else with an end of its
//     own or as lost, and the events tell of each lost run once;
//   - the list of runs has each run once;
//   - the history of each source has every value that was polled, but for those of the last moments before a kill;
//   - each receiver was told of each alert that it fires and that it is resolved, in turns and in order; nothing was said
//     twice but with the same id; and what has fired for longer than the last moments before a kill was told, in a message
//     of its own or as one of the earlier ones that a message counts.
package main
