package natsstoretest_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

// A process that is stopped for longer than its lease, and goes on, finds that its claims are lost, and what it puts and
// ends changes nothing of what others have adopted.
func TestStoppedProcess(t *testing.T) {
	c, name := use(t, 3), prefix()
	s := open(t, natsstore.Options{URL: c.url(), Prefix: name, Replicas: 3, Lease: 2 * time.Second})
	w := watch(t, s)
	p := play(t, "stubborn", c, name)
	topic := "stubborn"
	w.wait(topic, snapshot.Live, "stubborn")
	run := w.last(topic).Run
	if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.wait(topic, snapshot.Orphan, "stubborn")
	mine := claim(t, s, topic, snapshot.ClaimOptions{Adopt: run})
	mine.Put([]byte("mine"))
	w.wait(topic, snapshot.Live, "mine")
	if err := p.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err == nil || !strings.Contains(err.Error(), "status 42") {
		t.Errorf("the process ends with %v, want it to find that its claim is lost", err)
	}
	finish(t, mine, "end", 0)
	w.wait(topic, snapshot.Gone, "")
	w.mu.Lock()
	adopted := false
	for _, e := range w.all {
		if e.Run != run {
			continue
		}
		adopted = adopted || string(e.Data) == "mine"
		if adopted && string(e.Data) == "stubborn" {
			t.Errorf("after it was adopted the run shows %v", e)
		}
	}
	w.mu.Unlock()
}
