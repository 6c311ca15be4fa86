//go:build !linux

package command

import "os/exec"

// A child is a command that this process starts itself.
type child struct {
	cmd *exec.Cmd
}

func (c *child) launch(cmd *exec.Cmd) error {
	c.cmd = cmd
	cmd.SysProcAttr = attributes()
	return cmd.Start()
}

// wait returns when the first process has exited, and reaps it. The rest of its group is signalled after that by a
// number that, in theory, may have been reused by then.
func (c *child) wait() { _ = c.cmd.Wait() }

// finish kills the rest of the group.
func (c *child) finish() { c.kill() }

// end is called once, after finish or kill, and when wait has returned.
func (c *child) end() ending { return endingOf(c.cmd.ProcessState) }
