package systemd_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/tidewire/tidewire/internal/systemd"
)

// What was meant for another process is left alone; what cannot be right is said. Either way the environment is clean.
func TestListenerOfTheEnvironment(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		pid, fds string
		fails    bool
	}{{"", "", false}, {"1", "1", false}, {own, "0", false}, {own, "2", true}, {own, "-1", true}, {own, "x", true}} {
		t.Setenv("LISTEN_PID", c.pid)
		t.Setenv("LISTEN_FDS", c.fds)
		t.Setenv("LISTEN_FDNAMES", "a")
		ln, err := systemd.Listener()
		if ln != nil || (err != nil) != c.fails {
			t.Errorf("LISTEN_PID=%s LISTEN_FDS=%s: %v, %v, want no socket, and an error: %v", c.pid, c.fds, ln, err, c.fails)
		}
		for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
			if _, ok := os.LookupEnv(name); ok {
				t.Errorf("%s is still there", name)
			}
		}
	}
}
