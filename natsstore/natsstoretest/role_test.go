package natsstoretest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse/progress"
)

// runRole is what a process of this test program does that plays another one of the program under test.
func runRole(role string) {
	err := func() error {
		ctx := context.Background()
		store, err := natsstore.Open(natsstore.Options{
			URL: os.Getenv("NATSSTORE_URL"), Prefix: os.Getenv("NATSSTORE_PREFIX"), Lease: 2 * time.Second, Name: role,
		})
		if err != nil {
			return err
		}
		if role == "worker" {
			tracker, err := progress.Open(ctx, store, nil)
			if err != nil {
				return err
			}
			for _, topic := range []string{"ended", "adopted"} {
				job, _, err := tracker.StartContext(ctx, topic)
				if err != nil {
					return err
				}
				job.Publish(map[string]int{"step": 1})
			}
			fmt.Println("working")
			select {}
		}
		if role == "stubborn" {
			c, _, err := store.Claim(ctx, role, snapshot.ClaimOptions{})
			if err != nil {
				return err
			}
			c.Put([]byte(role))
			fmt.Println("working")
			for { // until the claim is lost
				c.Put([]byte(role))
				time.Sleep(time.Millisecond)
				select {
				case <-c.Lost():
					if c.Finish(ctx, []byte(role), time.Hour) == nil {
						return errors.New("a claim that is lost has ended its run")
					}
					os.Exit(42)
				default:
				}
			}
		}
		for i := 0; ; i++ { // a swarm of runs, until it is killed
			c, _, err := store.Claim(ctx, fmt.Sprint("swarm", i), snapshot.ClaimOptions{})
			if err != nil {
				return err
			}
			c.Put([]byte("1"))
			if i == 500 {
				fmt.Println("working")
			}
		}
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// play starts a process in a role, and returns once it says that it works.
func play(t *testing.T, role string, c *cluster, prefix string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "NATSSTORE_ROLE="+role, "NATSSTORE_URL="+c.url(), "NATSSTORE_PREFIX="+prefix)
	cmd.Stderr = os.Stderr
	dieWithUs(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "working" {
		t.Fatalf("the process says %q, %v", line, err)
	}
	return cmd
}
