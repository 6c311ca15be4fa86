package all_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/all"
)

// No two kinds have a key in common, and the first key of each has its name.
func TestKeys(t *testing.T) {
	once := func(t *testing.T, what, name string, seen map[string]string, keys grammar.Keys) {
		if len(keys) == 0 || keys[0].Name() != name {
			t.Fatalf("the first key of %s %s is not %s", what, name, name)
		}
		for _, key := range keys {
			if other := seen[key.Name()]; other != "" {
				t.Errorf("%s and %s have the key %s of %s", other, name, key.Name(), what)
			}
			seen[key.Name()] = name
		}
	}
	sources, upstreams := map[string]string{}, map[string]string{}
	for _, k := range all.Kinds() {
		once(t, "a source of", k.Name, sources, k.Section(kind.Reading{}).Keys)
		if k.Upstream != nil {
			once(t, "an upstream of", k.Name, upstreams, k.Upstream(kind.UpstreamReading{}).Keys)
		}
	}
}

func TestExtend(t *testing.T) {
	before := len(all.Kinds())
	remove := all.Extend(kind.Kind{Name: "fake"})
	if names := all.Names(); len(names) != before+1 || names[before] != "fake" {
		t.Errorf("Names() = %v, want fake at the end", names)
	}
	remove()
	if n := len(all.Kinds()); n != before {
		t.Errorf("%d kinds are left, want %d", n, before)
	}
}
