package progress_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "handlers are net/http's, a store outside the process comes through the snapshot.Store interface, "+
		"metrics and configuration stay outside the libraries",
		"github.com/tidewire/tidewire/internal/httpclient",
		"github.com/tidewire/tidewire/internal/idempotency",
		"github.com/tidewire/tidewire/internal/negotiate",
		"github.com/tidewire/tidewire/internal/network",
		"github.com/tidewire/tidewire/internal/problem",
		"github.com/tidewire/tidewire/snapshot",
		"github.com/tidewire/tidewire/sse")
}
