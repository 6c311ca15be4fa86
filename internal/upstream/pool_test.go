package upstream_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/upstream"
)

// What was spent of a limit stays spent for as long as the limit is the same one.
func TestPool(t *testing.T) {
	limited := func(starts float64) *config.Config {
		return &config.Config{Upstreams: []*config.Upstream{{Name: "a", Limit: starts, Burst: 1}, {Name: "free"}}}
	}
	var pool upstream.Pool
	change, err := pool.Prepare(t.Context(), limited(1))
	if err != nil {
		t.Fatal(err)
	}
	first := pool.Group("a")
	if first == nil || pool.Group("free") != nil || pool.Lookup("b") != nil {
		t.Fatalf("prepared: a has the limit %v, free has %v, b is %v", first, pool.Group("free"), pool.Lookup("b"))
	}
	change.Apply()
	change.Finish(t.Context())

	same, _ := pool.Prepare(t.Context(), limited(1))
	same.Apply()
	if pool.Group("a") != first {
		t.Error("an upstream that has not changed has another limit")
	}

	other, _ := pool.Prepare(t.Context(), limited(2))
	if g := pool.Group("a"); g == first || g == nil {
		t.Errorf("prepared: the changed upstream has the limit %v, want a new one", g)
	}
	other.Withdraw(t.Context())
	if pool.Group("a") != first {
		t.Error("after the change was withdrawn, the upstream has another limit than before")
	}

	none, _ := pool.Prepare(t.Context(), &config.Config{})
	none.Apply()
	if u := pool.Lookup("a"); u != nil {
		t.Errorf("a removed upstream is still there: %v", u)
	}
}
