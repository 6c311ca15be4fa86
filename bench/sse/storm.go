//go:build linux

package main

import (
	"bytes"
	"fmt"
	"syscall"
	"time"
)

// bindAddressNoPort is IP_BIND_ADDRESS_NO_PORT: connect chooses the port, which only the whole pair of addresses needs
// to itself.
const bindAddressNoPort = 24

// storm opens connections at once, from eight addresses, and does not wait for any. They send the ids in turn.
func (r *readers) storm(o order) error {
	r.began, r.firsts = time.Now(), r.firsts[:0]
	events := make([]syscall.EpollEvent, 256)
	for i := range o.N {
		fd, err := syscall.Socket(
			syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0,
		)
		if err != nil {
			return err
		}
		if err := syscall.SetsockoptInt(fd, syscall.SOL_IP, bindAddressNoPort, 1); err != nil {
			return err
		}
		if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%8)}}); err != nil {
			return err
		}
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: o.Port, Addr: [4]byte{127, 0, 0, 1}})
		if err != nil && err != syscall.EINPROGRESS {
			return err
		}
		id := "Last-Event-ID: " + o.IDs[i%len(o.IDs)] + "\r\n\r\n"
		c := &reader{fd: fd, kind: fast, streams: 1, open: true}
		c.request = append(bytes.TrimSuffix(request(o.Path), []byte("\r\n")), id...)
		r.conns = append(r.conns, c)
		r.byFD[int32(fd)] = c
		if err := syscall.EpollCtl(
			r.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLOUT, Fd: int32(fd)},
		); err != nil {
			return err
		}
		if i%64 != 63 {
			continue
		}
		n, err := syscall.EpollWait(r.epoll, events, 0)
		if err != nil && err != syscall.EINTR {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd != 0 { // orders wait
				if err := r.ready(r.byFD[e.Fd]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// ready reads what there is on c, or sends its request once it is connected.
func (r *readers) ready(c *reader) error {
	if c.request == nil {
		r.read(c, r.buf)
		return nil
	}
	if _, err := syscall.Write(c.fd, c.request); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	c.request = nil
	return syscall.EpollCtl(
		r.epoll, syscall.EPOLL_CTL_MOD, c.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c.fd)},
	)
}
