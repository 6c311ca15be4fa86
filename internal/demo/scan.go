package demo

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxAnswer bounds how many bytes of an answer [Scan] reads, header included.
const maxAnswer = 16 << 10

// ScanOptions are the settings of [Scan]. The zero value is the default.
type ScanOptions struct {
	// FirstPort and LastPort are the range of TCP ports that is probed at each
	// address. A zero FirstPort means [DevicePort], a zero LastPort FirstPort.
	FirstPort, LastPort uint16

	// Rate is how many probes begin per second, so that a scan does not flood the network. Zero means 60.
	Rate int

	// Workers is how many probes run at once. Zero means 8.
	Workers int

	// Timeout bounds one probe, from dialling to the whole answer. Zero means 500 ms.
	Timeout time.Duration

	// Dial opens a connection. Nil means that of a [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Found device is one that answered a [Scan].
type Found struct {
	Address string `json:"address"` // with its port if several were probed
	Identity
	Latency float64 `json:"latency_ms"` // from dialling to the whole answer

	target netip.AddrPort
}

// scanResult is the payload of the last line of a scan.
type scanResult struct {
	Found   []Found `json:"found"`
	Scanned int     `json:"scanned"`
}

// Scan asks each host of subnet for its identity, by GET /identity, and writes its findings to out, line by line:
//
//	12% 31 of 254 addresses, 4 found
//	::result {"found":[{"address":"127.77.0.3",...}],"scanned":254}
//
// A progress line comes whenever its percentage or its number of devices changes, counted from probes that have ended;
// the result is last, its devices ordered by address. A host that refuses, stays silent for [ScanOptions].Timeout or
// answers anything but an identity is not found, which is not an error.
//
// Scan blocks until every address is probed. When ctx ends, or out fails, it stops at once and returns the cause,
// without a result line. Nil opts are the default. Ports out of order and negative numbers are an error.
func Scan(ctx context.Context, subnet Subnet, opts *ScanOptions, out io.Writer) error {
	s, err := newScanner(subnet, opts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	targets := make(chan netip.AddrPort)
	results := make(chan *Found)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(targets)
		s.aim(ctx, targets)
	})
	for range s.opts.Workers {
		running.Go(func() {
			for t := range targets {
				results <- s.probe(ctx, t)
			}
		})
	}
	go func() {
		running.Wait()
		close(results)
	}()
	defer func() {
		cancel()
		for range results { // until the goroutines above have ended
		}
	}()
	return s.report(ctx, results, out)
}

// A scanner is one scan.
type scanner struct {
	subnet Subnet
	opts   ScanOptions
	total  int
}

func newScanner(subnet Subnet, opts *ScanOptions) (*scanner, error) {
	s := &scanner{subnet: subnet}
	if opts != nil {
		s.opts = *opts
	}
	o := &s.opts
	if o.Rate < 0 || o.Workers < 0 || o.Timeout < 0 {
		return nil, fmt.Errorf(
			"demo: scan with rate %d, %d workers and timeout %v, want numbers above 0", o.Rate, o.Workers, o.Timeout)
	}
	o.FirstPort = cmp.Or(o.FirstPort, DevicePort)
	o.LastPort = cmp.Or(o.LastPort, o.FirstPort)
	o.Rate = cmp.Or(o.Rate, 60)
	o.Workers = cmp.Or(o.Workers, 8)
	o.Timeout = cmp.Or(o.Timeout, 500*time.Millisecond)
	if o.LastPort < o.FirstPort {
		return nil, fmt.Errorf("demo: scan of ports %d to %d, want them in ascending order", o.FirstPort, o.LastPort)
	}
	s.total = subnet.Size() * (int(o.LastPort-o.FirstPort) + 1)
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return s, nil
}

// aim sends the targets to probe, at the scan's rate, until ctx ends.
func (s *scanner) aim(ctx context.Context, targets chan<- netip.AddrPort) {
	pace := time.NewTicker(max(time.Second/time.Duration(s.opts.Rate), 1))
	defer pace.Stop()
	for host := range s.subnet.Hosts() {
		for port := int(s.opts.FirstPort); port <= int(s.opts.LastPort); port++ {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return
			}
			select {
			case targets <- netip.AddrPortFrom(host, uint16(port)):
			case <-ctx.Done():
				return
			}
		}
	}
}

// probe asks one address for its identity; nil means that no device answered. It opens its own connection: a Transport
// continues dialling after the request has timed out, so Workers would not bound the connections.
func (s *scanner) probe(ctx context.Context, target netip.AddrPort) *Found {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	begun := time.Now()
	conn, err := s.opts.Dial(ctx, "tcp", target.String())
	if err != nil {
		return nil
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	req, err := http.NewRequest(http.MethodGet, "http://"+target.String()+"/identity", nil)
	if err != nil {
		return nil
	}
	req.Close = true
	if err := req.Write(conn); err != nil {
		return nil
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxAnswer)), req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil
	}
	found := &Found{target: target, Address: target.String(), Latency: math.Round(time.Since(begun).Seconds()*1e4) / 10}
	if s.opts.FirstPort == s.opts.LastPort {
		found.Address = target.Addr().String()
	}
	if json.Unmarshal(body, &found.Identity) != nil || found.Serial == "" {
		return nil
	}
	return found
}

// report writes progress as results arrive, and the result after the last one.
func (s *scanner) report(ctx context.Context, results <-chan *Found, out io.Writer) error {
	res := scanResult{Found: []Found{}}
	percent, found := -1, 0
	progress := func() error {
		p := res.Scanned * 100 / max(s.total, 1)
		if p == percent && len(res.Found) == found {
			return nil
		}
		percent, found = p, len(res.Found)
		_, err := fmt.Fprintf(out, "%d%% %d of %d addresses, %d found\n", percent, res.Scanned, s.total, found)
		return err
	}
	if err := progress(); err != nil {
		return fmt.Errorf("demo: scan: %w", err)
	}
	for f := range results {
		if ctx.Err() != nil {
			break // a probe that was cut short tells nothing about its address
		}
		res.Scanned++
		if f != nil {
			res.Found = append(res.Found, *f)
		}
		if err := progress(); err != nil {
			return fmt.Errorf("demo: scan: %w", err)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("demo: scan stopped after %d of %d addresses: %w", res.Scanned, s.total, context.Cause(ctx))
	}
	slices.SortFunc(res.Found, func(a, b Found) int { return a.target.Compare(b.target) })
	line, err := json.Marshal(res)
	if err != nil {
		return fmt.Errorf("demo: scan: %w", err)
	}
	if _, err := fmt.Fprintf(out, "::result %s\n", line); err != nil {
		return fmt.Errorf("demo: scan: %w", err)
	}
	return nil
}
