package history_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	const reason = "it remembers numbers, wherever they come from"
	forbidden := deptest.Forbidden{}
	for _, path := range []string{"smartpoll", "internal/config", "internal/kind", "internal/gateway"} {
		forbidden["github.com/tidewire/tidewire/"+path] = reason
	}
	deptest.Check(t, forbidden)
}
