// Package listen opens the unix socket that a gateway is served on: with the mode and the
// owner that it is to have from the first moment on, and in place of one that a process
// has left behind. The package imports the standard library alone.
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

// probeFor bounds the question whether a process serves a socket.
const probeFor = time.Second

// A Socket says who may connect to a unix socket, by the file that it is.
type Socket struct {
	Mode     fs.FileMode // permissions; connecting needs that of writing
	UID, GID int         // of the owner; -1 leaves what the process makes
}

// Unix listens on a unix socket at path. A socket that is there already and that no process
// serves is replaced; one that a process does serve, and a file that is no socket, is an
// error. The file is removed when the listener is closed.
func Unix(ctx context.Context, path string, s Socket) (net.Listener, error) {
	unlock := lockDir(path) // of two processes that find a stale socket, one must see that of the other
	defer unlock()
	if err := clear(ctx, path); err != nil {
		return nil, err
	}
	// Nobody else may connect before the file has its mode and owner.
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

// clear removes a socket that no process serves.
func clear(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen on unix:%s: a file that is not a socket is in the way; remove it, or choose another path", path)
	}
	conn, err := (&net.Dialer{Timeout: probeFor}).DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listen on unix:%s: another process serves it; stop that process, or choose another path", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listen on unix:%s: remove the socket that another process has left: %w", path, err)
	}
	return nil
}
