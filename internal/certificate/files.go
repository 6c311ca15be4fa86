// Package certificate reads what servers and clients of TLS need from files, and reads these again when they change.
package certificate

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/file"
)

// lookAgain is the age of the pair at which a handshake checks the files again.
const lookAgain = time.Second

// Files are a certificate and its key, in PEM, in two files. A handshake checks them if the last check was more than a
// second ago, so a renewed pair is used without a restart, however it was put there: written in place, renamed over, or
// by changing a symbolic link above it. A pair that cannot be used is logged, and the previous one is kept.
//
// It needs no goroutine: without handshakes there is no need for a certificate.
type Files struct {
	cert, key string
	log       *slog.Logger
	pair      atomic.Pointer[tls.Certificate] // the one in use

	mu     sync.Mutex // guards the fields below; a handshake that cannot get it uses the current pair
	looked time.Time
	tried  [2][]byte // the contents of the files when they were last read
	failed string    // why those cannot be used; empty if they can
}

// Open reads the files, which must be a valid pair. Later changes are logged to log.
func Open(cert, key string, log *slog.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log, looked: time.Now()}
	pair, err := f.read()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	f.pair.Store(pair)
	return f, nil
}

// Config returns the configuration for a server: TLS 1.2 or newer, with the certificate of the files.
func (f *Files) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: f.get}
}

func (f *Files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if f.mu.TryLock() {
		defer f.mu.Unlock()
		if now := time.Now(); now.Sub(f.looked) >= lookAgain {
			f.looked = now
			f.lookLocked()
		}
	}
	return f.pair.Load(), nil
}

// lookLocked takes over the contents of the files, if they are new and a valid pair.
func (f *Files) lookLocked() {
	pair, err := f.read()
	switch {
	case err != nil && err.Error() != f.failed:
		f.failed = err.Error()
		f.log.Error("the new certificate cannot be used; the previous one is kept", "err", err)
	case err == nil && pair != nil:
		f.failed = ""
		f.pair.Store(pair)
		f.log.Info("the certificate was renewed", "file", f.cert, "not_after", pair.Leaf.NotAfter.UTC())
	}
}

// maxPEM bounds the bytes of a certificate with its chain, and of a key.
const maxPEM = 1 << 20

// read returns the pair in the files, nil if they have not changed and could be used before.
func (f *Files) read() (*tls.Certificate, error) {
	cert, err := file.Read(f.cert, maxPEM)
	if err != nil {
		return nil, err
	}
	key, err := file.Read(f.key, maxPEM)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(cert, f.tried[0]) && bytes.Equal(key, f.tried[1]) && f.failed == "" {
		return nil, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are not a certificate and its key: %w", f.cert, f.key, err)
	}
	f.tried = [2][]byte{cert, key}
	return &pair, nil
}
