package notify_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const path = "github.com/tidewire/tidewire/"
	deptest.Check(t, deptest.Forbidden{
		path + "internal/alert":  "imports point down: what is told, and when, is decided there",
		path + "internal/config": "imports point down: the keys of receivers are read there",
		path + "smartpoll":       "when a receiver is called is decided by its caller",
		path + "sse":             "what people look at is another way",
	})
}
