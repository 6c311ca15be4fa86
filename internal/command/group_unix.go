//go:build unix && !linux

package command

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func (c *child) terminate() { c.signal(syscall.SIGTERM) }
func (c *child) kill()      { c.signal(syscall.SIGKILL) }

// signal sends sig to the process group. It is not an error if the group is empty.
func (c *child) signal(sig syscall.Signal) { _ = syscall.Kill(-c.cmd.Process.Pid, sig) }

func endingOf(s *os.ProcessState) ending {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return ending{code: -1, signal: status.Signal().String()}
	}
	return ending{code: s.ExitCode()}
}
