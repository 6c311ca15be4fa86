package demo_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "the demo is what the gateway reaches from outside: it shares no code with it")
}
