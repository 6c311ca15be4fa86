package systemd_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/systemd"
)

func TestNotifier(t *testing.T) {
	sockets := []string{filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		sockets = append(sockets, "@tidewire-test-"+strconv.Itoa(os.Getpid()))
	}
	for _, socket := range sockets {
		ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		t.Setenv("NOTIFY_SOCKET", socket)
		t.Setenv("WATCHDOG_USEC", "3000000")
		t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
		n, err := systemd.New()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := n.Watchdog(), 3*time.Second; got != want {
			t.Errorf("Watchdog() = %v, want %v", got, want)
		}
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
			if _, ok := os.LookupEnv(name); ok {
				t.Errorf("%s is left for commands", name)
			}
		}
		for _, c := range []struct {
			send func()
			want string
		}{
			{func() { n.Ready("all is well\nno") }, `READY=1\nSTATUS=all is well`}, {n.Reloading, `RELOADING=1\nMONOTONIC_USEC=\d+`}, {n.Alive, `WATCHDOG=1`}, {n.Stopping, `STOPPING=1`},
		} {
			c.send()
			buf := make([]byte, 256)
			k, err := ln.Read(buf)
			if err != nil || !regexp.MustCompile(`^`+c.want+`$`).Match(buf[:k]) {
				t.Errorf("%s: got %q, %v, want %s", socket, buf[:k], err, c.want)
			}
		}
	}
}

func TestNoNotifier(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n, err := systemd.New()
	if n != nil || err != nil {
		t.Fatalf("New() = %v, %v, want none", n, err)
	}
	n.Ready("")
	n.Reloading()
	n.Alive()
	n.Stopping()
	if n.Watchdog() != 0 {
		t.Error("there is a watchdog without systemd")
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	if _, err := systemd.New(); err == nil {
		t.Error("a socket that nobody listens on is no error")
	}
}

// The watchdog of another process is none of ours.
func TestWatchdogOfAnother(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "3000000")
	t.Setenv("WATCHDOG_PID", "1")
	if n, err := systemd.New(); err != nil || n.Watchdog() != 0 {
		t.Errorf("Watchdog() = %v, %v, want 0", n.Watchdog(), err)
	}
}
