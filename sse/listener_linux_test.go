package sse_test

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/sse"
)

// What NewListener accepts has its options, whether or not the listener is one of multipath TCP, whose sockets hand down
// none.
func TestNewListenerTunesConnections(t *testing.T) {
	for _, multipath := range []bool{false, true} {
		var config net.ListenConfig
		config.SetMultipathTCP(multipath)
		ln, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln = sse.NewListener(ln)
		defer ln.Close()
		client, err := net.Dial("tcp4", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			t.Fatalf("accepted a %T, want a *net.TCPConn, which alone can be handed off", conn)
		}
		raw, err := tcp.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		for _, option := range []struct {
			name      string
			opt, want int
		}{{"TCP_NOTSENT_LOWAT", 25, 4096}, {"TCP_USER_TIMEOUT", 18, 20_000}} {
			var got int
			var getErr error
			if err := raw.Control(func(fd uintptr) { got, getErr = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option.opt) }); err != nil {
				t.Fatal(err)
			}
			if getErr != nil || got != option.want {
				t.Errorf("multipath %v: %s = %v, %v, want %v", multipath, option.name, got, getErr, option.want)
			}
		}
	}
}
