package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstSocket is the file descriptor of the first socket that systemd passes
// (sd_listen_fds(3)).
const firstSocket = 3

// Listener returns the socket that systemd has opened for this process, nil if there is none. Call it once, at the
// start: it removes the variables from the environment, so that commands started later do not take the socket for
// theirs.
func Listener() (net.Listener, error) {
	pid, fds := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // they belong to another process, which has passed on its environment
	}
	n, err := strconv.Atoi(fds)
	switch {
	case err != nil || n < 0:
		return nil, fmt.Errorf("systemd: LISTEN_FDS is %q, want a number of sockets", fds)
	case n == 0:
		return nil, nil
	case n > 1:
		return nil, fmt.Errorf(
			"systemd: %d sockets were passed, want one: write one Listen… line in the socket unit", n)
	}
	closeOnExec(firstSocket)
	file := os.NewFile(firstSocket, "LISTEN_FD_3")
	defer file.Close() // the listener has a copy
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("systemd: the socket that was passed cannot be listened on: %w", err)
	}
	return ln, nil
}
