package natsstoretest_test

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

// A server of three stands still while much is sent to it, so that the connection takes no more: the client must not wait
// for it longer than the lease lasts, but go to another server.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	c := own(t, 3, "")
	other := open(t, natsstore.Options{URL: c.url(), Replicas: 3})
	leader := c.leader(t, "tidewire")
	hangs := c.servers[slices.IndexFunc(c.servers, func(s *server) bool { return s != leader })]
	s := open(t, natsstore.Options{URL: hangs.url() + "," + leader.url()})
	for s.Status().Server != hangs.name { // the client takes them in any order
		_ = s.Close(t.Context())
		s = open(t, natsstore.Options{URL: hangs.url() + "," + leader.url()})
	}
	w := watch(t, other)
	const topics = 16
	var claims []snapshot.Claim
	for i := range topics {
		claims = append(claims, claim(t, s, fmt.Sprint("topic", i), snapshot.ClaimOptions{}))
	}
	if err := hangs.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hangs.cmd.Process.Signal(syscall.SIGCONT) }()
	data := bytes.Repeat([]byte("x"), 900<<10)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		for _, c := range claims {
			c.Put(data)
		}
	}
	for i, c := range claims {
		if isLost(c) {
			t.Errorf("the claim of topic%d is lost: %+v", i, s.Status())
			continue
		}
		finish(t, c, "end", time.Hour)
		w.wait(fmt.Sprint("topic", i), snapshot.Final, "end")
	}
}
