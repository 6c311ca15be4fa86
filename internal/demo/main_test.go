package demo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/internal/demo"
)

// TestMain lets the test binary be the program whose subcommands Start runs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if os.Args[1] == "start-demo" {
			os.Exit(startDemoCommand())
		}
		for _, c := range demo.Commands() {
			if c.Name == os.Args[1] {
				os.Exit(runCommand(c))
			}
		}
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // else each process of a demo takes a second to end
	os.Exit(m.Run())
}

// stubborn is an environment variable: with it, subcommands do not notice the
// end of their stdin.
const stubborn = "TIDEWIRE_TEST_STUBBORN"

func runCommand(c demo.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var stdin io.Reader = os.Stdin
	if os.Getenv(stubborn) != "" {
		stdin, _ = io.Pipe()
	}
	err := c.Run(ctx, os.Args[2:], stdin, os.Stdout)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	if usage := new(demo.UsageError); errors.As(err, &usage) {
		return 2
	}
	return 1
}
