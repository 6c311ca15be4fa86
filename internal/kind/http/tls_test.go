package http_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// An authority issues certificates.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate
}

var serials atomic.Int64

// newAuthority returns an authority with that name, whose files are in dir.
func newAuthority(t testing.TB, dir, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: dir}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotAfter: time.Now().Add(time.Hour),
	}
	a.file, _ = a.issue(name, template)
	return a
}

// issue writes a certificate by template and its key, and returns the names of the files. The first one is a's own.
func (a *authority) issue(name string, template *x509.Certificate) (cert, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(serials.Add(1))
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			a.t.Fatal(err)
		}
		a.key = private
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+"-key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return cert, key
}

// forServer returns a certificate for a server with these names and addresses.
func (a *authority) forServer(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	pair, err := tls.LoadX509KeyPair(a.issue("server", template))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

// forClient returns the files of a certificate for a client.
func (a *authority) forClient(name string, more ...func(*x509.Certificate)) (cert, key string) {
	a.t.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, change := range more {
		change(template)
	}
	return a.issue(name, template)
}

// pool are the certificates that a signs.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// encrypted starts a server with that configuration.
func encrypted(t testing.TB, config *tls.Config, handler http.HandlerFunc) (port string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(server.Listener.Addr().String())
	return port
}

func one(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "1") }

var loopback = []net.IP{net.IPv4(127, 0, 0, 1)}

// What is wrong with a certificate is said, with what to do about it.
func TestErrorsOfCertificates(t *testing.T) {
	dir := t.TempDir()
	ours := newAuthority(t, dir, "ours")
	other := newAuthority(t, dir, "other")
	good := ours.forServer(&x509.Certificate{IPAddresses: loopback})
	mutual := &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool()}
	mutual12 := mutual.Clone()
	mutual12.MaxVersion = tls.VersionTLS12
	cert, key := ours.forClient("ann")
	foreignCert, foreignKey := other.forClient("eve")
	lateCert, lateKey := ours.forClient("late", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Date(2020, 1, 2, 3, 4, 0, 0, time.UTC)
	})
	client := func(cert, key string) string { return ", cert: " + cert + ", key: " + key }
	tests := []struct {
		name   string
		config *tls.Config
		keys   string // of tls
		want   string // empty: it works
	}{
		{"trusted", &tls.Config{Certificates: []tls.Certificate{good}}, "ca: " + ours.file, ""},
		{"insecure", &tls.Config{Certificates: []tls.Certificate{good}}, "insecure: true", ""},
		{"unknown", &tls.Config{Certificates: []tls.Certificate{good}}, "ca: " + other.file,
			"the certificate is signed by ours, which is not trusted: name the certificate of that as tls.ca"},
		{"other name", &tls.Config{Certificates: []tls.Certificate{ours.forServer(&x509.Certificate{DNSNames: []string{"plant.example"}})}}, "ca: " + ours.file,
			"the certificate is for plant.example, not for 127.0.0.1: write tls.server_name: plant.example"},
		{"server_name", &tls.Config{Certificates: []tls.Certificate{ours.forServer(&x509.Certificate{DNSNames: []string{"plant.example"}})}}, "server_name: plant.example, ca: " + ours.file, ""},
		{"expired", &tls.Config{Certificates: []tls.Certificate{ours.forServer(&x509.Certificate{
			IPAddresses: loopback, NotBefore: time.Unix(0, 0), NotAfter: time.Date(2020, 1, 2, 3, 4, 0, 0, time.UTC)})}}, "ca: " + ours.file,
			"the certificate expired on 2020-01-02 03:04 UTC: the server needs a new one"},
		{"too early", &tls.Config{Certificates: []tls.Certificate{ours.forServer(&x509.Certificate{
			IPAddresses: loopback, NotBefore: time.Date(2120, 1, 2, 3, 4, 0, 0, time.UTC), NotAfter: time.Date(2121, 1, 2, 3, 4, 0, 0, time.UTC)})}}, "ca: " + ours.file,
			"the certificate is valid from 2120-01-02 03:04 UTC on: is the clock of this machine right?"},
		{"mutual", mutual, "ca: " + ours.file + client(cert, key), ""},
		{"no certificate", mutual, "ca: " + ours.file,
			"the server wants a certificate of this client: name one as tls.cert and tls.key"},
		{"no certificate by TLS 1.2", mutual12, "ca: " + ours.file,
			"the server refuses the handshake of TLS; it may want a certificate of this client: tls.cert and tls.key"},
		{"foreign certificate", mutual, "ca: " + ours.file + client(foreignCert, foreignKey),
			"the server wants a certificate of this client: name one as tls.cert and tls.key"}, // Go's client does not send one of another authority
		{"expired certificate", mutual, "ca: " + ours.file + client(lateCert, lateKey),
			"the server refuses the certificate of this client, or that there is none: expired certificate; see tls.cert and tls.key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			port := encrypted(t, tt.config, one)
			u := upstreamOf(t, "{http: https://127.0.0.1:"+port+", tls: {"+tt.keys+"}}")
			get := ask(t, u, open(t, u), "/")
			for range 3 {
				v, err := get.Fetch(t.Context())
				switch {
				case tt.want == "" && (v != 1.0 || err != nil):
					t.Errorf("Fetch = %v, %v, want 1", v, err)
				case tt.want != "" && said(err) != tt.want:
					t.Errorf("the error is\n%s, want\n%s", said(err), tt.want)
				}
			}
		})
	}
}

func TestAServerWithoutTLS(t *testing.T) {
	h := serve(t, "/", one)
	u := upstreamOf(t, "{http: https://"+h.URL.Host+", proxy: none}")
	_, err := ask(t, u, open(t, u), "/").Fetch(t.Context())
	if got, want := said(err), "the server does not speak TLS there: write http:// in the address of the upstream, or another port"; got != want {
		t.Errorf("the error is %q, want %q", got, want)
	}
}

// A certificate that is renewed on disk is used without a restart, and so is another authority.
func TestCertificatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	ours := newAuthority(t, dir, "ours")
	var names []string
	config := &tls.Config{
		Certificates: []tls.Certificate{ours.forServer(&x509.Certificate{IPAddresses: loopback})},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ours.pool(),
	}
	port := encrypted(t, config, func(w http.ResponseWriter, r *http.Request) {
		names = append(names, r.TLS.PeerCertificates[0].Subject.CommonName)
		one(w, r)
	})
	cert, key := ours.forClient("before")
	u := upstreamOf(t, "{http: https://127.0.0.1:"+port+", tls: {ca: "+ours.file+", cert: "+cert+", key: "+key+"}}")
	get := ask(t, u, open(t, u), "/")
	fetch := func() {
		t.Helper()
		if v, err := get.Fetch(t.Context()); v != 1.0 || err != nil {
			t.Errorf("Fetch = %v, %v, want 1", v, err)
		}
	}
	fetch()
	newCert, newKey := ours.forClient("after")
	for from, to := range map[string]string{newCert: cert, newKey: key} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); names[len(names)-1] != "after" && time.Now().Before(end); {
		fetch()
		time.Sleep(50 * time.Millisecond) // the files are looked at once a second
	}
	if got := names[len(names)-1]; got != "after" {
		t.Errorf("the server sees the certificate %s, want the renewed one", got)
	}
}

// The token of OAuth 2.0 is requested with the authorities and the certificate of the upstream, but neither with its
// server_name nor its insecure.
func TestTokensByTLS(t *testing.T) {
	dir := t.TempDir()
	ours := newAuthority(t, dir, "ours")
	issuer := encrypted(t, &tls.Config{
		Certificates: []tls.Certificate{ours.forServer(&x509.Certificate{IPAddresses: loopback})},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ours.pool(),
	}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token": "a-good-one"}`)
	})
	upstream := encrypted(t, &tls.Config{Certificates: []tls.Certificate{ours.forServer(&x509.Certificate{DNSNames: []string{"plant.example"}})}},
		func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer a-good-one" {
				w.WriteHeader(401)
			}
			one(w, r)
		})
	cert, key := ours.forClient("ann")
	for keys, want := range map[string]string{
		"server_name: plant.example, ca: " + ours.file: "no error",
		"insecure: true": "no token from https://127.0.0.1:" + issuer + ": the certificate is signed by ours, which is not trusted: name the certificate of that as tls.ca",
	} {
		u := upstreamOf(t, "{http: https://127.0.0.1:"+upstream+", tls: {"+keys+", cert: "+cert+", key: "+key+"}, "+
			"auth: {oauth2: {token_url: https://127.0.0.1:"+issuer+"/, client_id: a, client_secret: s3cret}}}")
		_, err := ask(t, u, open(t, u), "/").Fetch(t.Context())
		if got := said(err); got != want {
			t.Errorf("with %s: %s, want %s", keys, got, want)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "docker.sock")
	u := upstreamOf(t, "{http: http://docker/v1, unix: "+path+"}")
	get := ask(t, u, open(t, u), "/now")
	if _, err := get.Fetch(t.Context()); said(err) != "the socket "+path+": no such file or directory" {
		t.Errorf("without a socket the error is %q", said(err))
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", r.Host+r.URL.Path)
	})}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Close(); served.Wait() })
	if v, err := get.Fetch(t.Context()); v != "docker/v1/now" || err != nil {
		t.Errorf("Fetch = %v, %v, want docker/v1/now", v, err)
	}
}

// A proxy of its own is used for an upstream alone, with its password, and none means none.
func TestProxy(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		switch {
		case r.Method == http.MethodConnect:
			http.Error(w, "no", http.StatusProxyAuthRequired)
		case r.URL.Path == "/echo":
			http.Error(w, "no "+r.Header.Get("Proxy-Authorization"), http.StatusBadGateway)
		default:
			one(w, r)
		}
	}))
	t.Cleanup(proxy.Close)
	host := strings.TrimPrefix(proxy.URL, "http://")
	u := upstreamOf(t, "{http: http://plant.example, proxy: 'http://ann:s3cret@"+host+"'}")
	client := open(t, u)
	if v, err := ask(t, u, client, "/now").Fetch(t.Context()); v != 1.0 || err != nil {
		t.Errorf("Fetch = %v, %v, want 1", v, err)
	}
	if want := "GET http://plant.example/now Basic YW5uOnMzY3JldA=="; len(asked) != 1 || asked[0] != want {
		t.Errorf("the proxy was asked %q, want %q", asked, want)
	}
	_, err := ask(t, u, client, "/echo").Fetch(t.Context())
	if got, want := said(err), "502 Bad Gateway: no Basic ***"; got != want {
		t.Errorf("the error is %q, want %q", got, want)
	}

	u = upstreamOf(t, "{http: https://plant.example, proxy: 'http://ann:s3cret@"+host+"'}")
	_, err = ask(t, u, open(t, u), "/x").Fetch(t.Context())
	if got, want := said(err), "the proxy: 407 Proxy Authentication Required"; got != want {
		t.Errorf("with a proxy that does not connect the error is %q, want %q", got, want)
	}
	proxy.Close()
	_, err = ask(t, u, client, "/now").Fetch(t.Context())
	if got, want := said(err), "the proxy: connection refused"; got != want {
		t.Errorf("without a proxy the error is %q, want %q", got, want)
	}
	direct := serve(t, "/", one)
	t.Setenv("HTTP_PROXY", proxy.URL) // counts if it was not asked for before
	u = upstreamOf(t, "{http: "+direct.URL.String()+", proxy: none}")
	if v, err := ask(t, u, open(t, u), "/").Fetch(t.Context()); v != 1.0 || err != nil {
		t.Errorf("without a proxy Fetch = %v, %v, want 1", v, err)
	}
}

// A device takes one connection at a time, serves it until its client closes it, and makes the others wait.
func device(t testing.TB) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	var current atomic.Pointer[net.Conn]
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			current.Store(&conn)
			for in := bufio.NewReader(conn); ; {
				r, err := http.ReadRequest(in)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, r.Body)
				answer := "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
				if r.URL.Path == "/moved" {
					answer = "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
				}
				_, _ = io.WriteString(conn, answer)
			}
			conn.Close()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		if conn := current.Load(); conn != nil {
			(*conn).Close()
		}
		served.Wait()
	})
	return listener.Addr().String()
}

// With max_inflight: 1 alone another client of a device that takes one connection gets its turn within a second, however busy
// the sources are, and also where they are redirected.
func TestADeviceOfOneConnectionIsNotLocked(t *testing.T) {
	address := device(t)
	u := upstreamOf(t, "{http: http://"+address+", max_inflight: 1}")
	client := open(t, u)
	stop, polls := make(chan struct{}), sync.WaitGroup{}
	var polled atomic.Int64
	polls.Go(func() { // one request at a time is what max_inflight and gap see to
		for {
			select {
			case <-stop:
				return
			default:
			}
			if v, err := ask(t, u, client, "/moved").Fetch(t.Context()); v != 1.0 || err != nil {
				t.Errorf("Fetch = %v, %v, want 1", v, err)
				return
			}
			polled.Add(1)
		}
	})
	for range 20 {
		before, begin := polled.Load(), time.Now()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("another client has no answer after %v: %v", time.Since(begin), err)
		}
		resp.Body.Close()
		conn.Close()
		for polled.Load() == before && !t.Failed() { // and the sources get theirs
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	polls.Wait()
}

// A device that is asked by https is asked by HTTP/1.1, since a connection of HTTP/2 is not for one request.
func TestADeviceOfOneConnectionGetsNoHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%q", r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	for keys, want := range map[string]string{"keep_alive: false": "HTTP/1.1", "max_inflight: 1": "HTTP/1.1", "max_inflight: 1, keep_alive: true": "HTTP/2.0", "max_inflight: 2": "HTTP/2.0"} {
		u := upstreamOf(t, "{http: "+server.URL+", tls: {insecure: true}, "+keys+"}")
		if v, err := ask(t, u, open(t, u), "/").Fetch(t.Context()); v != want || err != nil {
			t.Errorf("with %s Fetch = %v, %v, want %s", keys, v, err, want)
		}
	}
}

func TestLinkLocalDevices(t *testing.T) {
	for want, hosts := range map[string][]string{
		"it is link-local; for a device, write allow_link_local: true": {"169.254.7.7", "fe80::1"},
		"it is link-local or serves a cloud's credentials":             {"169.254.169.254", "169.254.170.2", "fe80::a9fe:a9fe", "ff02::1"},
	} {
		for _, host := range hosts {
			address := "http://" + host
			if strings.Contains(host, ":") {
				address = "http://[" + host + "]"
			}
			plain := upstreamOf(t, "{http: '"+address+"', proxy: none}")
			if _, err := ask(t, plain, open(t, plain), "/").Fetch(t.Context()); said(err) != "refused to connect to "+host+": "+want {
				t.Errorf("%s: the error is %q, want that it is refused as %s", host, said(err), want)
			}
		}
	}
	var guarded error
	for host, refused := range map[string]bool{"169.254.7.7:80": false, "[fe80::1%eth0]:80": false, "169.254.169.254:80": true, "[fe80::a9fe:a9fe]:80": true, "100.100.100.200:80": true, "224.0.0.1:80": true} {
		if guarded = httpkind.GuardDevices("tcp", host, nil); (guarded != nil) != refused {
			t.Errorf("for a device %s = %v, want refused: %t", host, guarded, refused)
		}
	}
}
