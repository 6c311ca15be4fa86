package web_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "the page knows nothing but the HTTP API", "github.com/tidewire/tidewire/internal/theme")
}
