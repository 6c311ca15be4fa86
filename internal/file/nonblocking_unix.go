//go:build unix

package file

import "syscall"

const nonBlocking = syscall.O_NONBLOCK
