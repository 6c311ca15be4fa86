package reconcile_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "what a change is about is up to the parts"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"smartpoll", "sse", "snapshot", "internal/config", "internal/gateway", "internal/access"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
