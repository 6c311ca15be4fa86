// Package systemd tells systemd how a service is that it has started with Type=notify, and
// takes over the socket that a socket unit has opened for it.
package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Notifier sends the messages of sd_notify(3). The nil Notifier, of a process that
// systemd has not started so, sends nothing. It may be used from any goroutine.
type Notifier struct {
	conn     *net.UnixConn
	watchdog time.Duration
}

// New returns the Notifier of this process, nil if there is none, and takes what it needs
// out of the environment: commands that are started later are not the service.
func New() (*Notifier, error) {
	socket, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	if socket == "" {
		return nil, nil
	}
	// A name that begins with @ is in the abstract name space, for package net too.
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

// Watchdog is the time after which systemd restarts a service that sent no Alive, 0 if it
// does not.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready says that the service has started, or is done with loading its configuration. Status
// is what systemctl shows of it, of which the first line counts.
func (n *Notifier) Ready(status string) {
	status, _, _ = strings.Cut(status, "\n")
	n.send("READY=1\nSTATUS=" + status)
}

// Alive says that the service does what it should.
func (n *Notifier) Alive() { n.send("WATCHDOG=1") }

// Stopping says that the service has begun to end.
func (n *Notifier) Stopping() { n.send("STOPPING=1") }

// Reloading says that the service loads its configuration; Ready follows.
func (n *Notifier) Reloading() {
	if n != nil {
		n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic().Microseconds(), 10))
	}
}

// send sends one message. Nothing can be done if systemd does not take it.
func (n *Notifier) send(message string) {
	if n != nil {
		_, _ = n.conn.Write([]byte(message))
	}
}
