package http_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

func TestForbiddenAddresses(t *testing.T) {
	tests := map[bool][]string{
		true: {
			"169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "ff02::1", "224.0.0.1",
			"::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b:1::169.254.169.254",
			"2002:a9fe:a9fe::1", "fd00:ec2::254", "fd20:ce::254",
			"100.100.100.200", "168.63.129.16", "192.0.0.192", "::ffff:100.100.100.200", "64:ff9b::168.63.129.16",
		},
		false: {
			"127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.9", "192.168.1.1", "172.16.0.1", "0.0.0.0", "::",
			"fd00::1", "100.100.100.201", "1.1.1.1", "2001:db8::1", "2002:a00:9::1", "64:ff9b::10.0.0.9",
		},
	}
	for want, addresses := range tests {
		for _, a := range addresses {
			if got := httpkind.Forbidden(netip.MustParseAddr(a)); got != want {
				t.Errorf("Forbidden(%s) = %t, want %t", a, got, want)
			}
		}
	}
}

func TestForbiddenAddressesAreNotConnectedTo(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]", "[fd00:ec2::254]"} {
		client := httpkind.NewClient()
		defer client.CloseIdleConnections()
		h := httpkind.Exchange{Client: client, URL: parseURL(t, "http://"+host+"/latest/meta-data/")}
		wantError(t, h, "GET "+h.URL.String()+": refused to connect to "+strings.Trim(host, "[]")+": it is link-local"+
			map[bool]string{true: "; for a device, write allow_link_local: true", false: " or serves a cloud's credentials"}[host == "[fe80::1]"])
	}
}

// Through a proxy the dialer sees the proxy alone; what the URL itself says is refused all the same.
func TestForbiddenAddressesAreNotAskedForThroughAProxy(t *testing.T) {
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, `"by proxy"`)
	}))
	defer proxy.Close()
	client := httpkind.NewClientWith(nil, http.ProxyURL(parseURL(t, proxy.URL)))
	defer client.CloseIdleConnections()
	h := httpkind.Exchange{Client: client, URL: parseURL(t, "http://weather.example/now")}
	if v, err := h.Fetch(t.Context()); v != "by proxy" || err != nil {
		t.Errorf("Fetch through a proxy = %v, %v, want by proxy", v, err)
	}
	for _, scheme := range []string{"http", "https"} {
		h.URL = parseURL(t, scheme+"://169.254.169.254/now")
		wantError(t, h, "GET "+h.URL.String()+": refused to connect to 169.254.169.254: it is link-local or serves a cloud's credentials")
	}
	if got := asked.Load(); got != 1 {
		t.Errorf("the proxy got %d requests, want 1", got)
	}
}

// A name that resolves to a harmless address first and to the metadata service later is refused later: each
// connection is looked at, not each name.
func TestRebindingResolver(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		fmt.Fprint(w, "1")
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))

	var address atomic.Pointer[netip.Addr]
	is := func(s string) { a := netip.MustParseAddr(s); address.Store(&a) }
	client := httpkind.NewClientWith(resolver(t, &address), func(*http.Request) (*url.URL, error) { return nil, nil })
	h := httpkind.Exchange{Client: client, URL: parseURL(t, "http://plant.example:"+port+"/")}
	is("127.0.0.1")
	if v, err := h.Fetch(t.Context()); v != 1.0 || err != nil {
		t.Fatalf("Fetch = %v, %v, want 1", v, err)
	}
	is("169.254.169.254")
	wantError(t, h, "GET "+h.URL.String()+": refused to connect to 169.254.169.254: it is link-local or serves a cloud's credentials")
}

// resolver resolves every name to address, for no time at all (RFC 1035 §4.1).
func resolver(t *testing.T, address *atomic.Pointer[netip.Addr]) *net.Resolver {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			query := make([]byte, 512)
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			end := 12
			for query[end] != 0 { // the labels of the name
				end += int(query[end]) + 1
			}
			end += 5
			if n < end {
				continue
			}
			kind := binary.BigEndian.Uint16(query[end-4:])
			answer := append([]byte(nil), query[:end]...)
			binary.BigEndian.PutUint16(answer[2:], 0x8180) // an answer, by one who recurses
			binary.BigEndian.PutUint16(answer[8:], 0)
			binary.BigEndian.PutUint16(answer[10:], 0)
			if kind == 1 {
				answer[7] = 1
				a := address.Load().As4()
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, a[0], a[1], a[2], a[3])
			}
			_, _ = server.WriteTo(answer, from)
		}
	}()
	t.Cleanup(func() { server.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}
