package subscription_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "it keeps a source subscribed; what becomes of a message is up to the runtime"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"smartpoll", "sse", "snapshot", "internal/config", "internal/gateway", "internal/sources"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
