package tidewire_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"hash"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A world is all servers that docs/reach.md names: a proxy, which answers in their place. To those that speak TLS it has
// certificates of an authority of its own.
type world struct {
	proxy     string // its address
	dir       string // what absolute paths are below
	authority *x509.Certificate
	key       *ecdsa.PrivateKey
	inner     chan net.Conn // connections in a tunnel

	mu        sync.Mutex // guards the fields below
	exchanges []*exchange
	strange   []string // requests that are those of no exchange
}

func newWorld(t *testing.T) *world {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{key: key, dir: t.TempDir(), inner: make(chan net.Conn)}
	w.authority = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "R11", Organization: []string{"Let's Encrypt"}, Country: []string{"US"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(9999 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	w.write(t, "/ca.pem", w.certificate(t, w.authority))
	w.write(t, "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", w.certificate(t, w.authority))
	w.write(t, "/var/run/secrets/kubernetes.io/serviceaccount/token", []byte("secret-of-the-pod\n"))
	w.write(t, "/etc/tidewire/etcd/ca.crt", w.certificate(t, w.authority))
	w.write(t, "/etc/tidewire/etcd/client.crt", w.certificate(t, w.leaf("tidewire")))
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "/etc/tidewire/etcd/client.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}))

	outer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			w.tunnel(rw, r)
			return
		}
		w.answer(rw, r)
	}))
	t.Cleanup(outer.Close)
	w.proxy = outer.URL
	go serve(t, &tunnels{w.inner, outer.Listener.Addr()}, http.HandlerFunc(w.answer))
	socket, err := net.Listen("unix", w.file("/var/run/docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	go serve(t, socket, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.URL.Host = "unix"
		w.answer(rw, r)
	}))
	t.Cleanup(func() { close(w.inner); socket.Close() })
	return w
}

// serve answers until the listener is closed.
func serve(_ *testing.T, ln net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	_ = server.Serve(ln)
}

// tunnels is a listener whose connections are those in tunnels.
type tunnels struct {
	conns chan net.Conn
	addr  net.Addr
}

func (l *tunnels) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (l *tunnels) Close() error   { return nil }
func (l *tunnels) Addr() net.Addr { return l.addr }

// tunnel speaks TLS in place of the server that r wants to be connected to.
func (w *world) tunnel(rw http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	host, _, _ := net.SplitHostPort(r.Host)
	der, err := x509.CreateCertificate(rand.Reader, w.leaf(host), w.authority, &w.key.PublicKey, w.key)
	if err != nil {
		conn.Close()
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	authorities := x509.NewCertPool()
	authorities.AddCert(w.authority)
	w.inner <- tls.Server(conn, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: w.key}},
		ClientAuth:   tls.VerifyClientCertIfGiven, ClientCAs: authorities,
	})
}

// leaf is a certificate for a host. That of shop.example.com is over in 12 days.
func (w *world) leaf(host string) *x509.Certificate {
	until := 90 * 24 * time.Hour
	if host == "shop.example.com" {
		until = 12*24*time.Hour + time.Hour
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(until),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		cert.IPAddresses = []net.IP{ip}
	} else {
		cert.DNSNames = []string{host}
	}
	return cert
}

func (w *world) certificate(t *testing.T, of *x509.Certificate) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, of, w.authority, &w.key.PublicKey, w.key)
	if err != nil {
		t.Fatal(err)
	}
	if of == w.authority { // as a verifier has it, with all that is computed
		if w.authority, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// file returns where an absolute path is in this world.
func (w *world) file(path string) string { return filepath.Join(w.dir, path) }

func (w *world) write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.file(path)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.file(path), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// play has the servers be those of a service.
func (w *world) play(t *testing.T, title string) {
	t.Helper()
	all := exchanges(t, fileOf(title))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exchanges, w.strange = all, nil
}

// over fails the test if the service was asked something else, or not all.
func (w *world) over(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, what := range w.strange {
		t.Error(what)
	}
	for _, x := range w.exchanges {
		if x.asked == 0 {
			t.Errorf("nobody asked %s %s", x.method, x.url)
		}
	}
}

// answer answers as the exchange of a request says; a request without one with an error, which over tells.
func (w *world) answer(rw http.ResponseWriter, r *http.Request) {
	if r.TLS != nil {
		r.URL.Scheme = "https"
	} else {
		r.URL.Scheme = "http"
	}
	if r.URL.Host == "" {
		r.URL.Host = r.Host
	}
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	why := ""
	for _, x := range w.exchanges {
		differs := x.differs(r, string(body))
		if differs == "" {
			if want, ok := strings.CutPrefix(x.header.Get("Authorization"), "Digest"); ok && !digested(rw, r, want) {
				return
			}
			if x.header.Get("TLS-Client-Certificate") != "" && len(r.TLS.PeerCertificates) == 0 {
				differs = "no certificate of the client"
			}
		}
		if differs == "" {
			x.asked++
			x.respond(rw)
			return
		}
		why += "\n  " + differs
	}
	w.strange = append(w.strange, fmt.Sprintf("a request that no exchange has: %s %s:%s", r.Method, r.URL, why))
	http.Error(rw, "the test does not know that", http.StatusNotImplemented)
}

// digested reports whether a request is authorised by the scheme Digest, of which want has "-ALGORITHM USER:PASSWORD". If not,
// it answers with the challenge.
func digested(rw http.ResponseWriter, r *http.Request, want string) bool {
	algorithm, login, _ := strings.Cut(strings.TrimPrefix(want, "-"), " ")
	user, password, _ := strings.Cut(login, ":")
	sum := func(parts ...string) string {
		var h hash.Hash = md5.New()
		if algorithm == "SHA-256" {
			h = sha256.New()
		}
		_, _ = io.WriteString(h, strings.Join(parts, ":"))
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	const nonce, realm = "5b3c1f", "the device"
	got := map[string]string{}
	header, isDigest := strings.CutPrefix(r.Header.Get("Authorization"), "Digest ")
	for _, field := range regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^\s,]+))`).FindAllStringSubmatch(header, -1) {
		got[field[1]] = field[2] + field[3]
	}
	right := sum(sum(user, realm, password), nonce, got["nc"], got["cnonce"], "auth", sum(r.Method, r.URL.RequestURI()))
	if isDigest && got["username"] == user && got["nonce"] == nonce && got["uri"] == r.URL.RequestURI() && got["response"] == right {
		return true
	}
	rw.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm=%q, qop="auth", nonce=%q, algorithm=%s`, realm, nonce, algorithm))
	rw.WriteHeader(http.StatusUnauthorized)
	return false
}
