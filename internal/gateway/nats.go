package gateway

import (
	"context"
	"errors"
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
	files, err := cfg.TLS.Open(log)
	if err != nil {
		return nil, err
	}
	if files != nil {
		opts.TLS = files.Config()
	}
	return natsstore.Open(opts)
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
	switch {
	case errors.Is(err, natsstore.ErrNoResponder):
		err = replica.ErrNoReplica
	case errors.Is(err, natsstore.ErrBusy):
		err = replica.ErrBusy
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
