package sse

import (
	"net"
	"syscall"
	"time"
)

// tcpSocket is a TCP connection with writes that do not block. They go through a RawConn, which keeps the descriptor
// from being closed, and reused for another connection, in the middle of one.
type tcpSocket struct {
	*net.TCPConn
	raw syscall.RawConn
	try func(fd uintptr) // s.write, made once: a closure a write would be an allocation a write

	p   []byte // what write sends
	n   int    // and what came of it
	err error
}

// newSocket returns conn as a socket, nil if it cannot be one.
func newSocket(conn net.Conn) socket {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	s := &tcpSocket{TCPConn: tcp, raw: raw}
	s.try = s.write
	return s
}

func (s *tcpSocket) Flush() error { return nil }

func (s *tcpSocket) tryWrite(p []byte) (int, error) {
	s.p = p
	// Control, unlike Write, neither locks the connection for one writer, which the stream has, nor looks at deadlines.
	err := s.raw.Control(s.try)
	s.p = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

func (s *tcpSocket) write(fd uintptr) {
	for {
		n, err := send(fd, s.p)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			n, err = 0, nil
		}
		s.n, s.err = max(n, 0), err
		return
	}
}

func (s *tcpSocket) tryLeft() (why Cause) {
	err := s.raw.Read(func(fd uintptr) bool {
		var drop [1024]byte
		for range 64 { // one that sends without end is left to fill its window
			switch n, err := syscall.Read(int(fd), drop[:]); {
			case n > 0, err == syscall.EINTR:
			case err == syscall.EAGAIN:
				return true
			case err != nil:
				why = causeOf(err)
				return true
			default:
				why = CauseLeft
				return true
			}
		}
		return true
	})
	if err != nil { // closed already
		why = CauseLeft
	}
	return why
}

func (s *tcpSocket) untilLeft() Cause { return readUntilLeft(s.TCPConn) }

func (s *tcpSocket) wake() { _ = s.SetReadDeadline(time.Unix(1, 0)) }

func (s *tcpSocket) close(abort bool) {
	if abort {
		_ = s.SetLinger(0) // frees what a stuck client has not taken, instead of keeping it for minutes
	} else {
		_ = s.SetReadDeadline(time.Time{}) // of wake
		s.tryLeft()                        // what was sent and not read would turn the end into a reset, and cost the client the last events
	}
	_ = s.Close()
}
