package natsstore_test

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/sse/progress"
)

// A service of which several replicas run: a job is started on any of them, runs once, and is watched on all. It needs
// nats-server 2.11 or newer at these addresses.
func Example() {
	ctx := context.Background()
	store, err := natsstore.Open(natsstore.Options{
		URL:         "nats://nats-1:4222,nats://nats-2:4222,nats://nats-3:4222",
		Credentials: "/etc/service/nats.creds",
		Replicas:    3,
		Logger:      slog.Default(),
	})
	if err != nil {
		slog.Error("the store cannot be used", "err", err)
		return
	}
	tracker, err := progress.Open(ctx, store, nil) // waits until the servers have been reached
	if err != nil {
		slog.Error("the store cannot be followed", "err", err)
		return
	}
	http.Handle("/import/{customer}", progress.Handler(tracker, progress.HandlerOptions{
		Work: func(ctx context.Context, report *progress.Reporter, r *http.Request) (any, error) {
			return importAll(ctx, report, r.PathValue("customer")) // ctx also ends when the lease is lost
		},
	}))
	http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if status := store.Status(); status.Err != nil {
			http.Error(w, status.Err.Error(), http.StatusServiceUnavailable)
		}
	})
	slog.Error("serve", "err", http.ListenAndServe(":8080", nil))

	stop, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_ = tracker.Shutdown(stop)
	_ = store.Close(stop) // what has not ended is an orphan at once, and others end it
}

func importAll(context.Context, *progress.Reporter, string) (any, error) { return nil, nil }
