// Package all has the list of the kinds of sources. It is the only place that names them.
package all

import (
	"slices"
	"sync/atomic"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/exec"
	"github.com/tidewire/tidewire/internal/kind/file"
	"github.com/tidewire/tidewire/internal/kind/from"
	"github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/kind/nats"
	"github.com/tidewire/tidewire/internal/kind/push"
)

// list is in the order of the documentation.
var list atomic.Pointer[[]kind.Kind]

func init() {
	list.Store(&[]kind.Kind{
		http.Kind,
		exec.Kind,
		from.Kind,
		file.Kind,
		nats.Kind,
		push.Kind,
	})
}

// Kinds returns all kinds of sources, in the order of the documentation. It may be called from any goroutine.
func Kinds() []kind.Kind { return *list.Load() }

// Names returns the names of the kinds.
func Names() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

// Extend adds kinds for a test, until it calls remove. Configurations that are read meanwhile know them. Tests that
// extend the list do not run beside each other.
func Extend(kinds ...kind.Kind) (remove func()) {
	before := list.Load()
	more := append(slices.Clone(*before), kinds...)
	list.Store(&more)
	return func() { list.Store(before) }
}
