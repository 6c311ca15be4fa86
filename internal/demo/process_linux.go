package demo

import "syscall"

// sysProcAttr puts a process into its own group, out of reach of the terminal's Ctrl-C, and makes the kernel kill it
// when its parent is gone, in case it does not notice the end of its stdin.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
