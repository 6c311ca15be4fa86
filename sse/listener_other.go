//go:build !linux

package sse

import "net"

func tune(net.Conn) {}
