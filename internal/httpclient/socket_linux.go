package httpclient

import (
	"syscall"
	"time"
)

const tcpUserTimeout = 18 // TCP_USER_TIMEOUT of tcp(7), which package syscall does not name

// limitUnacknowledged makes the kernel end a connection whose data stays unacknowledged.
func limitUnacknowledged(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(Unacknowledged/time.Millisecond))
}
