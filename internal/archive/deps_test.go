package archive_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "what happened is kept for whoever asks, and knows neither jobs nor sources")
}
