// Package demo is everything that `tidewire demo` shows besides the gateway: three weather services, a tank and a
// subnet of devices, each a separate process that is reached over loopback HTTP like any other upstream, and the
// configuration that polls them.
//
//	d, err := demo.Start(ctx, nil)
//	...
//	defer d.Close()
//	cfg, problems := config.Load("demo", d.Config())
//
// # Processes
//
// [Start] runs the program's own executable with the subcommands that [Commands] lists. A process announces its address
// in the first line of its stdout and ends when its stdin does, so none outlives the program that started it, however
// that ends. On Unix each has its own process group: a Ctrl-C in the terminal reaches only the parent, which then ends
// them.
//
// A process that dies is started again on the same address after [Options].RestartDelay. So killing one shows how the
// gateway handles an upstream that goes down and comes back.
//
// # Faults
//
// The weather services misbehave like real ones, by count and clock and never at random: north answers 429 once its
// quota for a window is used up, coast answers a few requests in a row with 500, valley is slow and now and then slower
// than any timeout.
//
// # The scan
//
// [Scan] is the command of the demo's job. It probes addresses, with bounded concurrency and at a bounded rate, and
// reports the devices that answer. It stays on the loopback network: visitors of a demo's page must not be able to make
// it probe other people's machines.
package demo
