package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/demo"
)

type result struct {
	Found []struct {
		Address, Vendor, Model, Serial, Firmware string
		Latency                                  float64 `json:"latency_ms"`
	}
	Scanned int
}

func (r result) addresses() []string {
	var as []string
	for _, f := range r.Found {
		as = append(as, f.Address)
	}
	return as
}

// split returns the progress lines of a scan's output and its result.
func split(t *testing.T, out string) (progress []string, res result) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	last := lines[len(lines)-1]
	text, ok := strings.CutPrefix(last, "::result ")
	if !ok {
		t.Fatalf("last line %q, want ::result", last)
	}
	if err := json.Unmarshal([]byte(text), &res); err != nil {
		t.Fatalf("result %q: %v", text, err)
	}
	return lines[:len(lines)-1], res
}

func subnet(t *testing.T, s string) demo.Subnet {
	t.Helper()
	sub, err := demo.ParseSubnet(s)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// A network is a made-up network: what answers at its addresses.
type network map[string]http.Handler

// dial connects to what is at addr, or is refused.
func (n network) dial(_ context.Context, _, addr string) (net.Conn, error) {
	h, ok := n[addr]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	go (&http.Server{Handler: h}).Serve(&oneConn{conn: server})
	return client, nil
}

// oneConn is a listener with one connection to accept.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, io.EOF
	}
	c := l.conn
	l.conn = nil
	return c, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

func devices(addrs ...string) network {
	n := network{}
	for _, a := range addrs {
		n[a] = demo.Device(netip.MustParseAddrPort(a))
	}
	return n
}

func TestScanFindsTheDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := devices("127.77.0.240:7700", "127.77.0.3:7700", "127.77.0.24:7700", "127.77.0.24:7701", "127.77.1.5:7700")
		slow := n["127.77.0.3:7700"] // answers after those that follow it
		n["127.77.0.3:7700"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(450 * time.Millisecond)
			slow.ServeHTTP(w, r)
		})
		scan := func() ([]string, result) {
			var out strings.Builder
			if err := demo.Scan(t.Context(), subnet(t, "127.77.0.0/24"), &demo.ScanOptions{Dial: n.dial}, &out); err != nil {
				t.Fatal(err)
			}
			return split(t, out.String())
		}
		_, res := scan()
		if got, want := res.addresses(), []string{"127.77.0.3", "127.77.0.24", "127.77.0.240"}; !slices.Equal(got, want) || res.Scanned != 254 {
			t.Errorf("scan found %v of %d, want %v of 254", got, res.Scanned, want)
		}
		rec, _ := get(t, n["127.77.0.3:7700"], "/identity")
		if f, want := res.Found[0], decode[demo.Identity](t, rec); f.Vendor != want.Vendor || f.Model != want.Model || f.Serial != want.Serial || f.Firmware != want.Firmware {
			t.Errorf("scan found %+v, want %+v", f, want)
		}
		if _, took := get(t, n["127.77.0.3:7700"], "/identity"); res.Found[0].Latency != float64(took.Milliseconds()) {
			t.Errorf("latency %v ms, want %v", res.Found[0].Latency, took)
		}

		n["127.77.0.90:7700"] = demo.Device(netip.MustParseAddrPort("127.77.0.90:7700"))
		_, res = scan()
		if got, want := res.addresses(), []string{"127.77.0.3", "127.77.0.24", "127.77.0.90", "127.77.0.240"}; !slices.Equal(got, want) {
			t.Errorf("with one more device the scan found %v, want %v", got, want)
		}
	})
}

func TestScanOfPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := devices("127.0.0.1:7799", "127.0.0.1:7710", "127.0.0.1:7800")
		var out strings.Builder
		err := demo.Scan(t.Context(), subnet(t, "127.0.0.1/32"), &demo.ScanOptions{FirstPort: 7700, LastPort: 7799, Dial: n.dial}, &out)
		if err != nil {
			t.Fatal(err)
		}
		_, res := split(t, out.String())
		if got, want := res.addresses(), []string{"127.0.0.1:7710", "127.0.0.1:7799"}; !slices.Equal(got, want) || res.Scanned != 100 {
			t.Errorf("scan found %v of %d, want %v of 100", got, res.Scanned, want)
		}
	})
}

func TestScanReportsWhatItProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := network{}
		for host := byte(101); host <= 140; host++ {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 77, 0, host}), demo.DevicePort)
			n[addr.String()] = demo.Device(addr)
		}
		var probed atomic.Int64
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			probed.Add(1)
			return n.dial(ctx, network, addr)
		}
		pattern := regexp.MustCompile(`^(?P<percent>\d+)% (\d+) of 254 addresses, (\d+) found\n$`)
		lines, lastPercent := 0, -1
		out := writerFunc(func(b []byte) (int, error) {
			if strings.HasPrefix(string(b), "::result") {
				return len(b), nil
			}
			m := pattern.FindSubmatch(b)
			if m == nil {
				t.Fatalf("line %q, want %v", b, pattern)
			}
			percent, _ := strconv.Atoi(string(m[1]))
			done, _ := strconv.Atoi(string(m[2]))
			if p := probed.Load(); int64(done) > p || int64(done) < p-8 {
				t.Errorf("line %q when %d addresses were dialled", b, p)
			}
			if percent != done*100/254 || percent < lastPercent {
				t.Errorf("line %q after %d%%, want %d%%", b, lastPercent, done*100/254)
			}
			lines, lastPercent = lines+1, percent
			return len(b), nil
		})
		if err := demo.Scan(t.Context(), subnet(t, "127.77.0.0/24"), &demo.ScanOptions{Dial: dial}, out); err != nil {
			t.Fatal(err)
		}
		// Each percent has a line, and each device: 16 of 40 have that of a percent.
		if lines < 122 || lines > 128 || lastPercent != 100 {
			t.Errorf("%d lines up to %d%%, want about 125 up to 100%%", lines, lastPercent)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestScanIsPaced(t *testing.T) {
	for _, tt := range []struct {
		rate int
		want time.Duration
	}{{0, 254 * time.Second / 60}, {10, 25400 * time.Millisecond}, {1000, 254 * time.Millisecond}} {
		t.Run(fmt.Sprint(tt.rate), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				if err := demo.Scan(t.Context(), subnet(t, "127.77.0.0/24"), &demo.ScanOptions{Rate: tt.rate, Dial: network{}.dial}, io.Discard); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(begun); got < tt.want-time.Millisecond || got > tt.want+time.Millisecond {
					t.Errorf("254 addresses at rate %d took %v, want %v", tt.rate, got, tt.want)
				}
			})
		})
	}
}

// TestScanBoundsItsProbes: against hosts that swallow packets, at most Workers
// probes are open, and each ends after Timeout.
func TestScanBoundsItsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, most atomic.Int64
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			most.Store(max(most.Load(), open.Add(1)))
			defer open.Add(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		begun := time.Now()
		opts := &demo.ScanOptions{Rate: 1000, Workers: 3, Timeout: time.Second, Dial: dial}
		if err := demo.Scan(t.Context(), subnet(t, "127.77.0.0/28"), opts, io.Discard); err != nil {
			t.Fatal(err)
		}
		if got := most.Load(); got != 3 {
			t.Errorf("%d probes were open at once, want 3", got)
		}
		if got := time.Since(begun).Round(100 * time.Millisecond); got != 5*time.Second {
			t.Errorf("14 silent addresses took 3 workers %v, want 5 s", got)
		}
	})
}

// TestScanTellsDevicesFromOthers: what else may listen on a port is not found.
func TestScanTellsDevicesFromOthers(t *testing.T) {
	answer := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		n := devices("127.77.0.9:7700")
		n["127.77.0.1:7700"] = answer(404, `{"vendor":"v","model":"m","serial":"s"}`)
		n["127.77.0.2:7700"] = answer(200, `<html>`)
		n["127.77.0.3:7700"] = answer(200, `{}`)
		n["127.77.0.4:7700"] = answer(200, `"serial"`)
		n["127.77.0.5:7700"] = answer(200, `{"serial":"`+strings.Repeat("9", 1<<20)+`"}`)
		n["127.77.0.6:7700"] = http.RedirectHandler("http://127.77.0.9:7700/identity", http.StatusFound)
		n["127.77.0.7:7700"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		var out strings.Builder
		if err := demo.Scan(t.Context(), subnet(t, "127.77.0.0/28"), &demo.ScanOptions{Dial: n.dial}, &out); err != nil {
			t.Fatal(err)
		}
		if _, res := split(t, out.String()); !slices.Equal(res.addresses(), []string{"127.77.0.9"}) {
			t.Errorf("scan found %v, want the device 127.77.0.9 alone", res.addresses())
		}
	})
}

func TestScanFindsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		if err := demo.Scan(t.Context(), subnet(t, "127.77.0.0/30"), &demo.ScanOptions{Dial: network{}.dial}, &out); err != nil {
			t.Fatal(err)
		}
		want := "0% 0 of 2 addresses, 0 found\n50% 1 of 2 addresses, 0 found\n100% 2 of 2 addresses, 0 found\n" +
			`::result {"found":[],"scanned":2}` + "\n"
		if got := out.String(); got != want {
			t.Errorf("scan wrote %q, want %q", got, want)
		}
	})
}

func TestScanEndsWithItsContext(t *testing.T) {
	silent := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){"silent": silent, "refusing": network{}.dial} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const after = 2005 * time.Millisecond // between two probes
				ctx, cancel := context.WithCancelCause(t.Context())
				why := errors.New("enough seen")
				time.AfterFunc(after, func() { cancel(why) })
				begun := time.Now()
				var out strings.Builder
				err := demo.Scan(ctx, subnet(t, "127.77.0.0/24"), &demo.ScanOptions{Timeout: time.Hour, Dial: dial}, &out)
				if !errors.Is(err, why) || time.Since(begun) != after || strings.Contains(out.String(), "::result") {
					t.Errorf("Scan = %v after %v with output %q, want %v after %v and no result", err, time.Since(begun), out.String(), why, after)
				}
			})
		})
	}
}

func TestScanEndsWithItsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken pipe")
		n := 0
		out := writerFunc(func(b []byte) (int, error) {
			if n++; n == 10 {
				return 0, broken
			}
			return len(b), nil
		})
		begun := time.Now()
		err := demo.Scan(t.Context(), subnet(t, "127.77.0.0/24"), &demo.ScanOptions{Dial: network{}.dial}, out)
		if !errors.Is(err, broken) || time.Since(begun) > time.Second {
			t.Errorf("Scan = %v after %v, want %v within 1 s", err, time.Since(begun), broken)
		}
	})
}

func TestScanRefusesBadOptions(t *testing.T) {
	for _, opts := range []demo.ScanOptions{{Rate: -1}, {Workers: -1}, {Timeout: -1}, {FirstPort: 9, LastPort: 8}, {LastPort: 80}} {
		if err := demo.Scan(t.Context(), subnet(t, "127.77.0.0/30"), &opts, io.Discard); err == nil {
			t.Errorf("Scan(%+v) = nil, want an error", opts)
		}
	}
}
