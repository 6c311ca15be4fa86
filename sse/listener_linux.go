package sse

import (
	"net"
	"syscall"
)

// From linux/tcp.h; package syscall does not have them.
const (
	tcpUserTimeout  = 18
	tcpNotsentLowat = 25
)

// tune sets the socket options for streams. It ignores options that the kernel refuses: streams work without them.
func tune(c net.Conn) {
	conn, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, 4096)
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, 20_000)
	})
}
