//go:build !unix

package demo

import "syscall"

// sysProcAttr leaves a process in the group of its parent: a Ctrl-C ends both, and the parent would end the process
// anyway.
func sysProcAttr() *syscall.SysProcAttr { return nil }
