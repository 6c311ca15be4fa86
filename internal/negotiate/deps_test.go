package negotiate_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "it reads headers for libraries and program alike")
}
