package natsstoretest_test

import (
	"os/exec"
	"syscall"
)

// dieWithUs has a process end with that of the test, however that ends.
func dieWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
