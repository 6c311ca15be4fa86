package demo_test

import (
	"context"
	"errors"
	"fmt"
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

func runCommand(c demo.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := c.Run(ctx, os.Args[2:], os.Stdin, os.Stdout)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	if usage := new(demo.UsageError); errors.As(err, &usage) {
		return 2
	}
	return 1
}
