//go:build linux && (race || 386)

package sse

import "syscall"

// send sends what the socket fd, which does not block, takes of p at once. The race detector knows by syscall.Write that
// what comes after the other side's read comes after what was before this. On 386 there is no SYS_SENDTO.
func send(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
