package sse

import "net"

// NewListener prepares ln for streams and returns it. On Linux every connection that it accepts from then on keeps at most
// 4 KB unsent in the kernel (TCP_NOTSENT_LOWAT), so that a slow client gets the newest snapshot rather than megabytes of
// those that it missed; and gives up a peer that has acknowledged nothing for 20 seconds (TCP_USER_TIMEOUT). Both are set
// once on the listening socket, from which accepted ones inherit them.
//
// Elsewhere, and for a listener that has no socket of its own ([syscall.Conn]), nothing is changed: wrap the listener of
// [net.Listen] first, and what limits or counts connections around it.
func NewListener(ln net.Listener) net.Listener {
	tune(ln)
	return ln
}
