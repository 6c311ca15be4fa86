//go:build !unix

package command

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

func (c *child) terminate() { c.kill() }
func (c *child) kill()      { _ = c.cmd.Process.Kill() }

func endingOf(s *os.ProcessState) ending { return ending{code: s.ExitCode()} }
