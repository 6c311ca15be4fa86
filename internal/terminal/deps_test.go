package terminal_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "how things are shown does not depend on what they are",
		"golang.org/x/sys/unix", "golang.org/x/term", "golang.org/x/text/transform", "golang.org/x/text/width")
}
