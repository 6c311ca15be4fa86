package demo

import "syscall"

// sysProcAttr puts a process into a group of its own, out of reach of the
// terminal's Ctrl-C, and has the kernel kill it when its parent is gone, should
// it not notice the end of its stdin.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
