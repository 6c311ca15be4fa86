package secret_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "everything that shows text uses it", "github.com/tidewire/tidewire/internal/text")
}
