// Package listen opens the unix socket on which a gateway is served. The socket has its mode and owner from the first
// moment on, and replaces one that an earlier process has left behind. The package imports only the standard library.
package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// probeFor bounds the check whether a process serves a socket.
const probeFor = time.Second

// A Socket has the permissions of the file of a unix socket, which determine who may connect.
type Socket struct {
	Mode     fs.FileMode // permissions; connecting requires write permission
	UID, GID int         // of the owner; -1 means that of the process
}

// Unix listens on a unix socket at path. An existing socket that is not served by any process is replaced; one that is
// served, or a file that is not a socket, is an error. The file is removed when the listener is closed.
func Unix(ctx context.Context, path string, s Socket) (net.Listener, error) {
	unlock := lockDir(path) // if two processes find a stale socket, one must see the new socket of the other
	defer unlock()
	if err := clear(ctx, path); err != nil {
		return nil, err
	}
	// Other users must not connect before the file has its mode and owner.
	restore := ownerOnly()
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	restore()
	if err != nil {
		return nil, err
	}
	if s.UID >= 0 || s.GID >= 0 {
		err = os.Chown(path, s.UID, s.GID)
	}
	if err == nil {
		err = os.Chmod(path, s.Mode)
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("listen on unix:%s: %w", path, err)
	}
	return ln, nil
}

// clear removes a socket that is not served by any process.
func clear(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf(
			"listen on unix:%s: a file that is not a socket is in the way; remove it, or choose another path", path)
	}
	conn, err := (&net.Dialer{Timeout: probeFor}).DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf(
			"listen on unix:%s: another process serves it; stop that process, or choose another path", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listen on unix:%s: remove the socket that another process has left: %w", path, err)
	}
	return nil
}
