package natsstore

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// That a message of the stream cannot be read is said once, with its subject, though each list of everything has it.
func TestUnreadableIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	opts := Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	opts, err := opts.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{opts: opts, mirror: newMirror(opts.Logger)}
	for range 3 {
		s.receive(7, "topic.unit.job.a", nats.Header{headerEntry: {"what is this"}}, []byte("x"), false)
	}
	s.receive(8, "topic.unit.job.a", nil, []byte("y"), true)
	if got := strings.Count(log.String(), "subject=tidewire.store.topic.unit.job.a"); got != 2 {
		t.Errorf("it is said %d times, want once of each message:\n%s", got, &log)
	}
	if _, _, known := s.mirror.get("unit.job.a"); known {
		t.Error("it counts as an entry")
	}
}
