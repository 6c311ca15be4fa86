package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/sse"
)

// startGateway runs `tidewire serve` with a configuration until the test ends, and returns its address.
func startGateway(t *testing.T, config string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(programs, "gateway"), "serve", "--listen", "127.0.0.1:0", file)
	var log lockedBuffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("log of the gateway:\n%s", log.String())
		}
	})
	first, _ := bufio.NewReader(stdout).ReadString('\n')
	addr, is := strings.CutPrefix(strings.TrimSpace(first), "tidewire: listening on http://")
	if !is {
		t.Fatalf("the gateway began with %q:\n%s", first, log.String())
	}
	return addr
}

// A reading is a file that a source reads.
type reading string

// say has the file tell a value.
func (f reading) say(t *testing.T, n int) {
	t.Helper()
	if err := os.WriteFile(string(f)+".next", fmt.Append(nil, n), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(string(f)+".next", string(f)); err != nil {
		t.Fatal(err)
	}
}

// TestGateway has each client, and those of ours, read the streams of a gateway.
func TestGateway(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(clients, ours) {
		for _, s := range gatewayScenarios {
			t.Run(c.name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				s.play(t, c, direct)
			})
		}
	}
}

var gatewayScenarios = []scenario{
	{"watches a source", watchesSource},
	{"follows a run", followsRun},
}

// watchesSource has the client see each value of a source, also one that is new when its connection breaks.
func watchesSource(t *testing.T, c client, via route) {
	level := reading(filepath.Join(t.TempDir(), "level"))
	level.say(t, 1)
	l := newLink(t, startGateway(t, fmt.Sprintf("version: 1\nsources: {level: {file: %s, every: 250ms}}\n", level)))
	r := c.start(t, via(t, l)+"/api/v1/stream?sources=level")
	await := func(n int) {
		t.Helper()
		r.await(t, fmt.Sprintf("the value %d", n), func() bool {
			events := r.of("event")
			if len(events) == 0 {
				return false
			}
			var source struct {
				Key   string
				Value any
			}
			last := events[len(events)-1]
			json.Unmarshal([]byte(last.Data), &source)
			return last.Type == "message" && source.Key == "source/level" && fmt.Sprint(source.Value) == fmt.Sprint(n)
		})
	}
	await(1)
	level.say(t, 2)
	await(2)
	l.cut()
	level.say(t, 3)
	await(3)
	var ids []string
	for _, ev := range r.events() {
		ids = append(ids, ev.ID)
	}
	asked := read(&l.changing, func() []byte { return l.last().asked })
	match := lastID.FindSubmatch(asked)
	if match == nil || !slices.Contains(ids, string(match[1])+string(match[2])) {
		t.Errorf("it came back by %q, want one of the ids %q", asked, ids)
	}
}

// followsRun has the client follow a run of a job to its end, and stop.
func followsRun(t *testing.T, c client, via route) {
	may := filepath.Join(t.TempDir(), "may-end")
	l := newLink(t, startGateway(t, fmt.Sprintf(`version: 1
jobs: {copy: {exec: [sh, -c, 'echo "::progress 50 half way"; until [ -e %s ]; do sleep 0.05; done; echo done']}}
`, may)))
	resp, err := http.Post("http://"+l.addr+"/api/v1/jobs/copy/runs", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var run struct{ Events string }
	if err := json.NewDecoder(resp.Body).Decode(&run); err != nil || run.Events == "" {
		t.Fatalf("the start of a run is answered with %s: %v", resp.Status, err)
	}
	r := c.start(t, via(t, l)+run.Events)
	r.await(t, "half of the run", func() bool {
		events := r.of("event")
		return len(events) > 0 && strings.Contains(events[len(events)-1].Data, `"half way"`)
	})
	if err := os.WriteFile(may, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.await(t, "the end of the run", func() bool {
		events := r.of("event")
		return sse.IsTerminalID(events[len(events)-1].ID)
	})
	events := r.events()
	if end := events[len(events)-1]; !strings.Contains(end.Data, `"status":"succeeded"`) {
		t.Errorf("the end of the run is %v, want success", end)
	}
	if !c.wrong(endsWith204) {
		r.awaitKind(t, "end", 1)
	} else {
		l.await(t, "another request", func() bool {
			asked := 0
			for _, conn := range l.conns {
				asked += bytes.Count(conn.asked, []byte("GET "))
			}
			return asked >= 3
		})
	}
	if got := len(r.events()); got != len(events) {
		t.Errorf("it saw %d events after the end, want none", got-len(events))
	}
}
