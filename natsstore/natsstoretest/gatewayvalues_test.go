package natsstoretest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// A source is told its values by NATS, at one of two gateways, and each of its states is published once, by that one.
func TestGatewayValues(t *testing.T) {
	t.Parallel()
	servers := own(t, 1, "")
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	text := fmt.Sprintf(`version: 1
store: {nats: {url: %q, prefix: %s, name: "${env:REPLICA}"}}
upstreams: {bus: {nats: %q}}
forward: {nats: {upstream: bus, subject: out}}
sources: {tank: {nats: {upstream: bus, subject: plant.tank}, pick: {level: .level}}}
`, servers.url(), prefix(), servers.url())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect(servers.url())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	out, err := conn.SubscribeSync("out.source.tank")
	if err == nil {
		err = conn.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	both := []*gatewayProcess{startGateway(t, file), startGateway(t, file)}
	for _, g := range both {
		until(t, 30*time.Second, "a gateway is ready", g.isReady)
	}
	level := 0
	until(t, 30*time.Second, "both gateways have the newest value", func() bool {
		level++
		if err := conn.Publish("plant.tank", fmt.Appendf(nil, `{"level": %d}`, level)); err != nil {
			t.Fatal(err)
		}
		_ = conn.Flush()
		time.Sleep(200 * time.Millisecond)
		for _, g := range both {
			_, body := g.do("GET", "/api/v1/sources/tank", "")
			if value, ok := body["value"].(map[string]any); !ok || value["level"] != float64(level) {
				return false
			}
		}
		return true
	})
	seen := map[string]int{}
	want := fmt.Sprintf(`"value":{"level":%d}`, level)
	for newest := false; !newest; {
		m, err := out.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatalf("the state with %s was not published: %v, but %v", want, err, seen)
		}
		seen[string(m.Data)]++
		newest = strings.Contains(string(m.Data), want)
	}
	for state, n := range seen {
		if n > 1 {
			t.Errorf("published %d times: %s", n, state)
		}
	}
}
