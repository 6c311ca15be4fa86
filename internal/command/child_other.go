//go:build !linux

package command

import "os/exec"

// A child is a command, which this process starts itself.
type child struct {
	cmd *exec.Cmd
}

func (c *child) launch(cmd *exec.Cmd) error {
	c.cmd = cmd
	cmd.SysProcAttr = attributes()
	return cmd.Start()
}

// wait returns when the first process has exited. It is reaped by that: the rest of its group is
// signalled after that by a number that, in theory, is another's by then.
func (c *child) wait() { _ = c.cmd.Wait() }

// finish kills what is left of the group.
func (c *child) finish() { c.kill() }

// end is called once, after finish or kill, and when wait has returned.
func (c *child) end() ending { return endingOf(c.cmd.ProcessState) }
