package upstream_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "what uses an upstream is above it"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"sse", "snapshot", "internal/gateway", "internal/sources", "internal/jobs", "internal/subscription"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
