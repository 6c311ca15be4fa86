//go:build !linux

package sse

import "net"

// newSocket is nil: connections are not handed off.
var newSocket func(net.Conn) socket
