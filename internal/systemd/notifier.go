// Package systemd reports the state of a service with Type=notify to systemd, and takes over the socket that a socket
// unit has opened for it.
package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Notifier sends the messages of sd_notify(3). A nil Notifier, for a process that systemd has not started with
// Type=notify, sends nothing. It may be used from any goroutine.
type Notifier struct {
	conn     *net.UnixConn
	watchdog time.Duration
}

// New returns the Notifier of this process, nil if there is none, and removes the variable from the environment:
// commands started later are not the service.
func New() (*Notifier, error) {
	socket, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	if socket == "" {
		return nil, nil
	}
	// Package net also takes a name that begins with @ for one in the abstract namespace.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("systemd: connect to $NOTIFY_SOCKET: %w", err)
	}
	n := &Notifier{conn: conn}
	if pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if us, err := strconv.ParseInt(usec, 10, 64); err == nil && us > 0 {
			n.watchdog = time.Duration(us) * time.Microsecond
		}
	}
	return n, nil
}

// Watchdog returns the time after which systemd restarts a service that has not sent Alive, 0 if it does not.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready reports that the service has started, or has finished loading its configuration. The first line of status is
// shown by systemctl.
func (n *Notifier) Ready(status string) {
	status, _, _ = strings.Cut(status, "\n")
	n.send("READY=1\nSTATUS=" + status)
}

// Alive reports that the service works.
func (n *Notifier) Alive() { n.send("WATCHDOG=1") }

// Stopping reports that the service has begun to end.
func (n *Notifier) Stopping() { n.send("STOPPING=1") }

// Reloading reports that the service is loading its configuration; Ready follows.
func (n *Notifier) Reloading() {
	if n != nil {
		n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic().Microseconds(), 10))
	}
}

// send sends one message. It ignores errors, since nothing can be done about them.
func (n *Notifier) send(message string) {
	if n != nil {
		_, _ = n.conn.Write([]byte(message))
	}
}
