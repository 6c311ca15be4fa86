package snapshot_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "whoever implements or uses a Store should get nothing else with it")
}
