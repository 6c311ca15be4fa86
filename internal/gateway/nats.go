package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/natsstore"
)

// openNATS begins to connect to the servers where replicas share their state. name is this one's, for people.
func openNATS(cfg *config.NATS, name string, log *slog.Logger) (*natsstore.Store, error) {
	opts := natsstore.Options{
		URL: cfg.URL, Credentials: cfg.Creds, Prefix: cfg.Prefix, Replicas: cfg.Replicas, Name: name, Logger: log,
	}
	var err error
	if opts.TLS, err = tlsOf(cfg); err != nil {
		return nil, err
	}
	return natsstore.Open(opts)
}

// tlsOf returns how connections are encrypted, nil if nothing is said about it.
func tlsOf(cfg *config.NATS) (*tls.Config, error) {
	if cfg.CA == "" && cfg.Cert == "" {
		return nil, nil
	}
	to := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CA != "" {
		data, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("read the authorities of nats: %w", err)
		}
		if to.RootCAs = x509.NewCertPool(); !to.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("the authorities of nats: %s has no certificate in PEM", cfg.CA)
		}
	}
	if cfg.Cert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.CertKey)
		if err != nil {
			return nil, fmt.Errorf("the certificate for nats: %w", err)
		}
		to.Certificates = []tls.Certificate{pair}
	}
	return to, nil
}

// replicaName is what people call this replica, and what a configuration names it by: its host, unless cfg says otherwise.
func replicaName(cfg *config.Config) string {
	if cfg.NATS != nil && cfg.NATS.Name != "" {
		return cfg.NATS.Name
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	return host
}

// asking brings questions to other replicas.
type asking struct{ *natsstore.Store }

// Ask implements [replica.Asking].
func (a asking) Ask(ctx context.Context, id string, question []byte) ([]byte, error) {
	answer, err := a.Store.Ask(ctx, id, question)
	if errors.Is(err, natsstore.ErrNobody) {
		err = replica.ErrNoReplica
	}
	return answer, err
}

// version is that of the program, as far as it knows.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
