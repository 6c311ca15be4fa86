package source_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "a source turns bytes into values: when, how often and what to pick is up to the gateway"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"smartpoll", "sse", "snapshot", "internal/config", "internal/gateway", "internal/jq", "internal/access", "internal/web"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
