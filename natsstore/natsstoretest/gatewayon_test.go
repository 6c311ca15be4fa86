package natsstoretest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// A source that is on each replica is run by each for itself, appears with it at the others, and is away when it has died.
func TestGatewaysPollEachForItself(t *testing.T) {
	t.Parallel()
	servers := own(t, 1, "")
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	yaml := fmt.Sprintf(`version: 1
store: {nats: {url: %q, prefix: %s, name: "${env:REPLICA}"}}
sources: {process: {exec: [sh, -c, "cut -d' ' -f4 /proc/$PPID/stat || echo unknown"], every: 500ms, on: each}}
`, servers.url(), prefix())
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	var all []*gatewayProcess
	for range 2 {
		g := startGateway(t, file)
		until(t, 30*time.Second, "a replica is ready", g.isReady)
		all = append(all, g)
	}
	for _, of := range all {
		process := fmt.Sprint(of.cmd.Process.Pid)
		if runtime.GOOS != "linux" {
			process = "unknown"
		}
		for _, at := range all {
			until(t, 10*time.Second, "a replica shows the source of a replica", func() bool {
				_, s := at.do("GET", "/api/v1/sources/process@"+of.name, "")
				return s["state"] == "ok" && s["value"] == process && s["replica"] == of.name
			})
		}
	}
	_ = all[1].cmd.Process.Kill()
	until(t, 25*time.Second, "the source of a replica that has died is away", func() bool {
		_, s := all[0].do("GET", "/api/v1/sources/process@"+all[1].name, "")
		return s["state"] == "stale" && s["error"] == "replica "+all[1].name+" is away" && s["replica"] == all[0].name
	})
}
