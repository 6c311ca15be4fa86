package sse_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "whoever serves streams with net/http should link nothing else",
		"github.com/tidewire/tidewire/internal/httpclient", "github.com/tidewire/tidewire/internal/network")
}
