package sse

import "net"

// NewListener returns ln prepared for streams. On Linux every accepted connection keeps at most 4 KB unsent in the
// kernel (TCP_NOTSENT_LOWAT), so that a slow client gets the newest snapshot rather than megabytes of those that it
// missed, and is closed when its peer has acknowledged nothing for 20 seconds (TCP_USER_TIMEOUT).
//
// Elsewhere, and for connections that are not a [syscall.Conn], it changes nothing: so wrap the listener of
// [net.Listen] first, and put listeners that limit or count connections around the result.
func NewListener(ln net.Listener) net.Listener { return listener{ln} }

type listener struct{ net.Listener }

// Accept tunes each connection. Connections would inherit options of the listening socket, but not those of a multipath
// TCP socket, which net.Listen makes where the kernel supports it.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		tune(c)
	}
	return c, err
}
