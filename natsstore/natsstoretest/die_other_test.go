//go:build !linux

package natsstoretest_test

import "os/exec"

// dieWithUs does nothing where a process cannot be bound to that of the test.
func dieWithUs(*exec.Cmd) {}
