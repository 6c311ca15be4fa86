//go:build !unix

package demo

import "syscall"

// sysProcAttr leaves a process in the group of its parent: a Ctrl-C ends both,
// which is what the parent is about to do anyway.
func sysProcAttr() *syscall.SysProcAttr { return nil }
