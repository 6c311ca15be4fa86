package natsstoretest_test

import (
	"net"
	"syscall"
)

// isOpen reports whether the peer has not closed a connection.
func isOpen(conn net.Conn) bool {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	const established = 1
	state := 0
	err = raw.Control(func(fd uintptr) {
		if info, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO); err == nil {
			state = info & 0xff // the first byte of struct tcp_info
		}
	})
	return err == nil && state == established
}
