package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A Command is a subcommand that the program must offer for [Start] and for
// the demo's job.
type Command struct {
	Name  string // the subcommand
	Args  string // its arguments, for a usage line
	Short string // what it does, in a few words

	run func(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error
}

// Run runs the command with the arguments that follow its name, flags
// included, until it is done or ctx ends. Wrong arguments are a *[UsageError];
// -h and --help write the flags to stdout and are no error.
//
// A command that has to end with its stdin leaves one goroutine that reads stdin, which lasts as long as the reader
// does.
func (c Command) Run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	err := c.run(ctx, args, stdin, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}

// A UsageError describes what is wrong with the arguments of a [Command]. By convention a program exits with 2 for it.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf("demo: "+format, args...)}
}

// Commands returns the subcommands: upstream (one of the demo's services),
// device (one or more devices) and scan.
func Commands() []Command {
	return []Command{
		{"upstream", "[--listen ADDR] [--until-eof] NAME", "serve one of the demo's upstreams", runUpstream},
		{"device", "[--until-eof] ADDR[:PORT]...", "simulate devices that the demo's scan finds", runDevice},
		{"scan", "[flags]", "look for devices in a loopback subnet", runScan},
	}
}

// serviceNames are the names of the upstreams that are polled, and services their handlers.
var serviceNames = []string{"north", "coast", "valley", "plant"}

var services = map[string]func() http.Handler{
	"north":  newNorth,
	"coast":  newCoast,
	"valley": newValley,
	"plant":  newPlant,
}

func runUpstream(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := newFlags("upstream")
	listen := flags.String("listen", "127.0.0.1:0", "`address` to serve on")
	untilEOF := flags.Bool("until-eof", false, "end when stdin does")
	if err := parse(flags, args, stdout); err != nil {
		return err
	}
	service, ok := services[flags.Arg(0)]
	if !ok || flags.NArg() != 1 {
		return usagef("upstream %q, want one of %s", strings.Join(flags.Args(), " "), strings.Join(serviceNames, ", "))
	}
	if *untilEOF {
		ctx = withEOF(ctx, stdin)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("demo: upstream %s: %w", flags.Arg(0), err)
	}
	return serve(ctx, stdout, site{l, service()})
}

func runDevice(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	flags := newFlags("device")
	untilEOF := flags.Bool("until-eof", false, "end when stdin does")
	if err := parse(flags, args, stdout); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return usagef("device without an address, want one such as 127.77.0.90 or 127.77.0.90:%d", DevicePort)
	}
	var addrs []netip.AddrPort
	for _, arg := range flags.Args() {
		addr, err := parseDeviceAddr(arg)
		if err != nil {
			return err
		}
		addrs = append(addrs, addr)
	}
	if *untilEOF {
		ctx = withEOF(ctx, stdin)
	}
	var sites []site
	for _, addr := range addrs {
		l, err := net.Listen("tcp", addr.String())
		if err != nil {
			for _, s := range sites {
				s.listener.Close()
			}
			return fmt.Errorf("demo: device: %w", err)
		}
		sites = append(sites, site{l, deviceHandler(addr)})
	}
	return serve(ctx, stdout, sites...)
}

// parseDeviceAddr reads an address whose port may be missing.
func parseDeviceAddr(s string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(s)
	if err != nil {
		var ip netip.Addr
		ip, err = netip.ParseAddr(s)
		addr = netip.AddrPortFrom(ip, DevicePort)
	}
	if err != nil || !addr.Addr().Is4() || !addr.Addr().IsLoopback() {
		return netip.AddrPort{}, usagef(
			"device %q, want a loopback address such as 127.77.0.90 or 127.77.0.90:%d", s, DevicePort)
	}
	return addr, nil
}

func runScan(ctx context.Context, args []string, _ io.Reader, stdout io.Writer) error {
	flags := newFlags("scan")
	subnet := flags.String("subnet", "127.77.0.0/24", "loopback `subnet` to scan, at most a /22")
	ports := flags.String(
		"ports", strconv.Itoa(DevicePort), "TCP `port`, or range of ports such as 7700-7709, to probe at each address")
	rate := flags.Int("rate", 60, "probes a second")
	workers := flags.Int("workers", 8, "probes at once")
	timeout := flags.Duration("timeout", 500*time.Millisecond, "time limit of one probe")
	if err := parse(flags, args, stdout); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usagef("scan %q, want flags only", flags.Arg(0))
	}
	s, err := ParseSubnet(*subnet)
	if err != nil {
		return &UsageError{err}
	}
	first, last, err := parsePorts(*ports)
	if err != nil {
		return err
	}
	if *rate <= 0 || *workers <= 0 || *timeout <= 0 {
		return usagef("scan with rate %d, %d workers and timeout %v, want numbers above 0", *rate, *workers, *timeout)
	}
	return Scan(
		ctx,
		s,
		&ScanOptions{FirstPort: first, LastPort: last, Rate: *rate, Workers: *workers, Timeout: *timeout},
		stdout,
	)
}

// parsePorts reads a port or a range of ports in ascending order.
func parsePorts(s string) (first, last uint16, err error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, errA := strconv.ParseUint(from, 10, 16)
	b, errB := strconv.ParseUint(to, 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a {
		return 0, 0, usagef("ports %q, want a port or an ascending range such as 7700-7709", s)
	}
	return uint16(a), uint16(b), nil
}

// newFlags returns an empty set of flags for the command name.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are reported once, by the caller
	return flags
}

// parse parses args. Asked for help it writes the flags to stdout and returns
// [flag.ErrHelp].
func parse(flags *flag.FlagSet, args []string, stdout io.Writer) error {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return err
	case err != nil:
		return usagef("%s: %w", flags.Name(), err)
	}
	return nil
}
