//go:build !unix

package command

import (
	"os"
	"os/exec"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }

func (p *process) signal(syscall.Signal) { _ = p.cmd.Process.Kill() }

func signalOf(*os.ProcessState) string { return "" }
