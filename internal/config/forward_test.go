package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

// States are posted to an upstream of HTTP, with bounds that may be others.
func TestForwardHTTP(t *testing.T) {
	const good = "version: 1\nforward: {http: {upstream: hub}}\nupstreams: {bus: {nats: h}, hub: {http: http://h/base}}\n"
	c, problems := config.Load("t.yaml", []byte(good))
	if problems != nil {
		t.Fatal(problems)
	}
	if got, want := *c.Forward.HTTP, (config.ForwardHTTP{Upstream: c.Upstreams[1], Every: time.Second, Max: 500}); got != want || c.Forward.NATS != nil {
		t.Errorf("forward = %+v, want %+v alone", got, want)
	}
	c, problems = config.Load("t.yaml", []byte(strings.Replace(good, "{http: {upstream: hub}}", "{nats: {upstream: bus}, http: {upstream: hub, path: /a b, every: 100ms, max: 1}}", 1)))
	if problems != nil {
		t.Fatal(problems)
	}
	if got, want := *c.Forward.HTTP, (config.ForwardHTTP{Upstream: c.Upstreams[1], Path: "/a%20b", Every: 100 * time.Millisecond, Max: 1}); got != want || c.Forward.NATS == nil {
		t.Errorf("forward = %+v, want %+v, and NATS", got, want)
	}
	for _, tt := range []struct{ to, want string }{
		{"upstream: hbu", `t.yaml:2:28: unknown upstream "hbu", did you mean "hub"?`},
		{"upstream: bus", `t.yaml:2:28: upstream "bus" is not one with http, name one that has the key http`},
		{"path: /", `t.yaml:2:17: http of forward has no upstream, add one such as upstream: hub`},
		{"upstream: hub, path: in", `t.yaml:2:39: path: "in" does not begin with a slash`},
		{"upstream: hub, every: 99ms", `t.yaml:2:40: every: "99ms" is out of range, write a duration from 100ms to 1h`},
		{"upstream: hub, every: 2h", `t.yaml:2:40: every: "2h" is out of range`},
		{"upstream: hub, every: soon", `t.yaml:2:40: every: "soon" is not a duration`},
		{"upstream: hub, max: 0", `t.yaml:2:38: max is 0, write a whole number from 1 to 10000`},
		{"upstream: hub, max: 10001", `t.yaml:2:38: max is 10001`},
		{"upstream: hub, batch: 5", `t.yaml:2:33: unknown key "batch" in http of forward, did you mean "max"?`},
	} {
		_, problems := config.Load("t.yaml", []byte(strings.Replace(good, "upstream: hub", tt.to, 1)))
		if text := problems.Error(); !strings.Contains(text, tt.want) || len(problems) != 1 {
			t.Errorf("with %s:\n%v\nwant %s alone", tt.to, text, tt.want)
		}
	}
}
