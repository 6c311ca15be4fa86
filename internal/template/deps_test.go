package template_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "what has templates uses it")
}
