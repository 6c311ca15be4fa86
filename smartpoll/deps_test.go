package smartpoll_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "a scheduler needs nothing but a rate limiter", "golang.org/x/time/rate")
}
