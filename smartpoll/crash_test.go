package smartpoll_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/smartpoll"
)

const crashEnv = "SMARTPOLL_TEST_CRASH"

func userTaskThatPanics(context.Context) (hook, error) { panic("in the task") }

func userHookThatPanics(context.Context, *internal) error { panic("in the hook") }

// A panic in a task or its hook ends the process with its own stack. This test
// runs itself in processes that do.
func TestBehaviour06PanicEndsTheProcess(t *testing.T) {
	switch os.Getenv(crashEnv) {
	case "task":
		mustNew(t, start("k"), smartpoll.WithTask("k", userTaskThatPanics)).Run(t.Context())
		select {} // Run may return an instant before
	case "hook":
		mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) { return userHookThatPanics, nil })).Run(t.Context())
		select {}
	}
	for where, want := range map[string][]string{
		"task": {"panic: in the task", "userTaskThatPanics"},
		"hook": {"panic: in the hook", "userHookThatPanics"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestBehaviour06PanicEndsTheProcess$")
		cmd.Env = append(os.Environ(), crashEnv+"="+where)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("the process with a panic in a %s went on, want it to end", where)
		}
		for _, text := range want {
			if !strings.Contains(string(out), text) {
				t.Errorf("output of the process with a panic in a %s lacks %q:\n%s", where, text, out)
			}
		}
		if strings.Contains(string(out), "[recovered") {
			t.Errorf("the panic in a %s was recovered on its way:\n%s", where, out)
		}
	}
}
