package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

// keyPair writes a certificate and its key.
func keyPair(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}, &x509.Certificate{}, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS: a certificate and its key, and nothing else.
func TestTLS(t *testing.T) {
	dir := inDir(t, map[string]string{"conf.d/tls.yaml": "tls: {cert: ../a.pem, key: ../a.key}\n", "t.yaml": "version: 1\ninclude: conf.d/*.yaml\n"})
	in := func(name string) string { return filepath.Join(dir, name) }
	keyPair(t, in("a.pem"), in("a.key"))
	keyPair(t, in("b.pem"), in("b.key"))
	c, problems := loadFile(t, in("t.yaml"))
	if problems != nil {
		t.Fatal(problems)
	}
	if want := (config.TLS{Cert: in("a.pem"), Key: in("a.key")}); *c.TLS != want {
		t.Errorf("TLS = %+v, want %+v", *c.TLS, want)
	}
	for text, want := range map[string]string{
		"{cert: a.pem, key: b.key}": "this certificate and key cannot be used: private key does not match public key",
		"{cert: a.key, key: a.pem}": "this certificate and key cannot be used: failed to find certificate PEM data",
	} {
		_, problems := config.Load(in("t.yaml"), []byte("{version: 1, tls: "+text+"}"))
		if len(problems) != 1 || !strings.HasPrefix(problems[0].What, want) {
			t.Errorf("tls: %s: %v, want %s", text, problems, want)
		}
	}
}

// TestPublicURL: the path is one that prefixes others.
func TestPublicURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://a.example":           "https://a.example",
		"http://a.example:8080/":      "http://a.example:8080",
		"https://a.example/tide/wire": "https://a.example/tide/wire",
		"https://a.example/tide/":     "https://a.example/tide",
		"https://a.example/a%20b":     "",
		"https://a.example//b":        "",
		"https://a.example/./b":       "",
		"https://a.example/..":        "",
		"https://a.example/{b}":       "",
		"https://a.example:0":         "",
		"/tide":                       "",
		"tidewire.example":            "",
	} {
		c, problems := config.Load("f", []byte("{version: 1, public_url: '"+text+"'}"))
		switch {
		case want == "" && len(problems) != 1:
			t.Errorf("public_url: %s: %v, want a problem", text, problems)
		case want != "" && (problems != nil || c.PublicURL.String() != want):
			t.Errorf("public_url: %s: %v, want %s", text, problems, want)
		}
	}
}
