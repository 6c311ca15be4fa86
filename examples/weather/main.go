// Command weather makes one forecast of three weather services, which differ in
// their limits, their pace and their faults, and prints it whenever it changes.
// It needs nothing: it starts the services of `tidewire demo` itself.
//
//	go run ./examples/weather
//	go run ./examples/weather --debug 127.0.0.1:0  # and serve a page of the tasks
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/internal/demo"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/smartpoll/debug"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run returns nil when ctx ends, and has ended everything then.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	for _, command := range demo.Commands() { // this program is the services' too
		if len(args) > 0 && args[0] == command.Name {
			return command.Run(ctx, args[1:], stdin, stdout)
		}
	}
	flags := flag.NewFlagSet("weather", flag.ExitOnError)
	page := flags.String("debug", "", "`address` to serve a page of the tasks on, for example 127.0.0.1:0")
	flags.Parse(args)

	services, err := demo.Start(ctx, nil)
	if err != nil {
		return err
	}
	defer services.Close()
	scheduler, err := newScheduler(apis(services), stdout, stderr)
	if err != nil {
		return err
	}
	if *page != "" {
		l, err := net.Listen("tcp", *page)
		if err != nil {
			return err
		}
		server := http.Server{Handler: debug.Handler(scheduler, &debug.Options{Title: "Weather"})}
		go server.Serve(l)
		defer server.Close()
		fmt.Fprintf(stderr, "the tasks are at http://%s\n", l.Addr())
	}
	if err := scheduler.Run(ctx); ctx.Err() == nil {
		return err
	}
	return nil
}

// newScheduler returns the loop: a task an API, and one that publishes.
func newScheduler(apis []api, stdout, stderr io.Writer) (*smartpoll.Scheduler, error) {
	readings := map[string]reading{}                // of each API that answers; touched by hooks only: no lock
	var snapshot atomic.Pointer[map[string]reading] // a copy, for publish, which runs beside the hooks
	published := ""                                 // touched by publish only, which never overlaps itself
	publish := func(context.Context) (smartpoll.TaskHook, error) {
		latest := aggregate(*snapshot.Load())
		if latest == published {
			return nil, nil // nothing to synchronise with the control loop
		}
		published = latest
		_, err := fmt.Fprintln(stdout, latest)
		return nil, err // fatal: there is no topic to publish to
	}
	options := []smartpoll.Option{
		smartpoll.WithTask("publish", publish),
		smartpoll.WithObserver(&smartpoll.Observer{}), // for the page: how late, how long
		smartpoll.WithDrain(smartpoll.Drain{Wait: 5 * time.Second}),
		smartpoll.WithRunHook(func(_ context.Context, loop *smartpoll.Internal) error {
			for _, api := range apis {
				loop.Schedule(api.name, 0) // from then on each decides for itself
			}
			return nil
		}),
	}
	for _, api := range apis {
		commit := func(_ context.Context, loop *smartpoll.Internal, now reading, err error) error {
			before := maps.Clone(readings)
			if err == nil {
				loop.ScheduleSooner(api.name, api.every)
				readings[api.name] = now
			} else { // scheduled by Retry
				again := time.Until(loop.Next(api.name)).Round(time.Second / 10)
				fmt.Fprintf(stderr, "%s: %v; again in %v\n", api.name, err, again)
				delete(readings, api.name)
			}
			if !maps.Equal(readings, before) {
				latest := maps.Clone(readings)
				snapshot.Store(&latest)
				loop.Schedule("publish", 0) // once, however many ask for it
			}
			return nil
		}
		options = append(options, smartpoll.WithTask(api.name, smartpoll.Poll(api.fetch, commit), api.options...))
	}
	return smartpoll.New(options...)
}
