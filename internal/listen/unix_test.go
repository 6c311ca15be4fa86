//go:build unix

package listen_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/internal/listen"
)

// mine is a socket as its process makes it.
var mine = listen.Socket{Mode: 0o600, UID: -1, GID: -1}

func TestASocketHasItsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := listen.Unix(t.Context(), path, listen.Socket{Mode: 0o660, UID: os.Getuid(), GID: os.Getgid()})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o660 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		t.Errorf("the socket is %v, %v, want one of mode 660", info.Mode(), err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	ln.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after its end the socket is there: %v", err)
	}
}

// What a process that was killed has left is replaced; what somebody serves or needs is not.
func TestWhatIsThereAlready(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	if _, err := listen.Unix(t.Context(), path, mine); err == nil || !strings.Contains(err.Error(), "another process serves it") {
		t.Errorf("beside a process that serves the socket: %v, want an error that says so", err)
	}
	left.Close()
	ln, err := listen.Unix(t.Context(), path, mine)
	if err != nil {
		t.Fatalf("in place of a socket that nobody serves: %v, want nil", err)
	}
	ln.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen.Unix(t.Context(), path, mine); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("in place of a file: %v, want an error that says so", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "precious" {
		t.Errorf("the file has %q, want it as it was", data)
	}
}

// Of many that begin at once where a stale socket is, one serves it, and clients reach that one.
func TestManyStartAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	var all sync.WaitGroup
	var mu sync.Mutex
	var serving []net.Listener
	for range 16 {
		all.Go(func() {
			if ln, err := listen.Unix(t.Context(), path, mine); err == nil {
				mu.Lock()
				serving = append(serving, ln)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(serving) != 1 {
		t.Fatalf("%d serve the socket, want 1", len(serving))
	}
	defer serving[0].Close()
	if conn, err := net.Dial("unix", path); err != nil {
		t.Errorf("the socket is not served: %v", err)
	} else {
		conn.Close()
	}
}
