//go:build unix && !linux

package demo

import "syscall"

// sysProcAttr puts a process into its own group, out of reach of the terminal's Ctrl-C.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
