package sse

import "net"

// NewListener returns ln prepared for streams. On Linux every connection that it accepts keeps at most 4 KB unsent in the
// kernel (TCP_NOTSENT_LOWAT), so that a slow client gets the newest snapshot rather than megabytes of those that it
// missed; and gives up a peer that has acknowledged nothing for 20 seconds (TCP_USER_TIMEOUT).
//
// Elsewhere, and for connections that have no socket of their own ([syscall.Conn]), nothing is changed: wrap the listener of
// [net.Listen] first, and what limits or counts connections around it.
func NewListener(ln net.Listener) net.Listener { return listener{ln} }

type listener struct{ net.Listener }

// Accept tunes each connection. Options of the listening socket would be inherited, but not by those of a multipath TCP
// socket, which is what net.Listen makes where the kernel can.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		tune(c)
	}
	return c, err
}
