package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/certificate"
)

// issue returns a self-signed certificate for name and its key.
func issue(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<34, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// served is the name that a handshake with config is answered with.
func served(t *testing.T, config *tls.Config, version uint16) (string, error) {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		defer server.Close()
		tls.Server(server, config).Handshake()
	}()
	conn := tls.Client(client, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
	if err := conn.Handshake(); err != nil {
		return "", err
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// A log that a test reads.
type record struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.text.Reset()
	return r.text.String()
}

func TestRenewal(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	oneCert, oneKey := issue(t, "one")
	twoCert, twoKey := issue(t, "two")
	threeCert, threeKey := issue(t, "three")
	// As a Kubernetes secret is mounted: the files lead through a link to a directory.
	for name, pair := range map[string][2][]byte{"v1": {oneCert, oneKey}, "v2": {twoCert, twoKey}} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, at(name+"/tls.crt"), pair[0])
		write(t, at(name+"/tls.key"), pair[1])
	}
	for _, link := range [][2]string{{"v1", "data"}, {"data/tls.crt", "tls.crt"}, {"data/tls.key", "tls.key"}} {
		if err := os.Symlink(link[0], at(link[1])); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var log record
		files, err := certificate.Open(at("tls.crt"), at("tls.key"), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		config := files.Config()
		step := func(what, want, says string) {
			t.Helper()
			got, err := served(t, config, 0)
			if err != nil || got != want {
				t.Errorf("%s: the certificate is that of %q, %v, want %q", what, got, err, want)
			}
			text := log.take()
			if says == "" && text != "" || !strings.Contains(text, says) || strings.Count(text, "\n") > 1 {
				t.Errorf("%s: the log says %q, want %q once", what, text, says)
			}
		}
		step("at first", "one", "")
		if err := os.Symlink("v2", at("next")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(at("next"), at("data")); err != nil {
			t.Fatal(err)
		}
		step("within the second", "one", "")
		time.Sleep(time.Second)
		step("after the link was changed", "two", "the certificate was renewed")
		time.Sleep(time.Second)
		step("unchanged", "two", "")

		write(t, at("v2/tls.crt"), threeCert) // the key is still the old one
		time.Sleep(time.Second)
		step("half of a pair", "two", "the new certificate cannot be used; the previous one is kept")
		time.Sleep(time.Second)
		step("still half of a pair", "two", "")
		write(t, at("v2/tls.key"), threeKey)
		time.Sleep(time.Second)
		step("the other half", "three", "the certificate was renewed")

		if err := os.Remove(at("v2/tls.key")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		step("no key", "three", "no such file")
		write(t, at("v2/tls.crt"), oneCert)
		write(t, at("new.key"), oneKey)
		if err := os.Rename(at("new.key"), at("v2/tls.key")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		step("renamed over", "one", "the certificate was renewed")
		if _, err := served(t, config, tls.VersionTLS11); err == nil {
			t.Error("TLS 1.1 is accepted")
		}
		if name, err := served(t, config, tls.VersionTLS12); err != nil {
			t.Errorf("TLS 1.2 is refused: %q, %v", name, err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	cert, key := issue(t, "one")
	_, other := issue(t, "two")
	good, bad, none := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"), filepath.Join(dir, "none.pem")
	write(t, good, cert)
	write(t, bad, other)
	if _, err := certificate.Open(good, bad, slog.Default()); err == nil || !strings.Contains(err.Error(), good+" and "+bad+" are not a certificate and its key") {
		t.Errorf("Open of two halves = %v", err)
	}
	for _, names := range [][2]string{{none, bad}, {good, none}} {
		if _, err := certificate.Open(names[0], names[1], slog.Default()); err == nil || !strings.Contains(err.Error(), "tls: open "+none) {
			t.Errorf("Open without a file = %v", err)
		}
	}
	write(t, bad, key)
	if _, err := certificate.Open(good, bad, slog.Default()); err != nil {
		t.Errorf("Open = %v", err)
	}
}

// Handshakes while the files change.
func TestConcurrentHandshakes(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	pairs := [2][2][]byte{}
	for i, name := range []string{"one", "two"} {
		pairs[i][0], pairs[i][1] = issue(t, name)
	}
	write(t, certFile, pairs[0][0])
	write(t, keyFile, pairs[0][1])
	synctest.Test(t, func(t *testing.T) {
		files, err := certificate.Open(certFile, keyFile, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		config := files.Config()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 10 {
					if _, err := served(t, config, 0); err != nil {
						t.Errorf("handshake: %v", err)
					}
					time.Sleep(700 * time.Millisecond)
				}
			})
		}
		for i := range 7 {
			write(t, certFile, pairs[i%2][0])
			write(t, keyFile, pairs[i%2][1])
			time.Sleep(time.Second)
		}
		wg.Wait()
	})
}
