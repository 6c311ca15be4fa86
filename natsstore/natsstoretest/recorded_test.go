package natsstoretest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/natsstore"
	"github.com/tidewire/tidewire/snapshot"
)

// recordMessages is for when the messages in the stream have another format: what the first version of one has stored is kept for ever.
var recordMessages = flag.Bool("record", false, "record the messages of a stream as the testdata of this format")

// formats is how many formats of messages there have been.
const formats = 1

// A rawMessage is a message of a stream, as the server has it.
type rawMessage struct {
	Subject string      `json:"subject"` // without what all have
	Header  nats.Header `json:"header,omitempty"`
	Body    []byte      `json:"body,omitempty"`
}

// A recordedEntry is what a store that finds the messages tells of a topic.
type recordedEntry struct {
	Topic []byte `json:"topic"`
	State string `json:"state"`
	Run   string `json:"run"`
	N     uint64 `json:"n"`
	Data  []byte `json:"data,omitempty"`
}

// A recordedLine is one of the two.
type recordedLine struct {
	Message *rawMessage    `json:"message,omitempty"`
	Entry   *recordedEntry `json:"entry,omitempty"`
}

func recordedMessages(format int) string {
	return filepath.Join("testdata", fmt.Sprintf("format%d.jsonl", format))
}

// recordedTopics are names of all sorts.
var recordedTopics = []string{"plain", "a/b/c", "", "/", "with space.and*dots>", "Ünïcödé/\x00\xff", strings.Repeat("long/", 300)}

// TestRecordMessages records a stream that has everything that there may be in one.
func TestRecordMessages(t *testing.T) {
	if !*recordMessages {
		t.Skip("without -record")
	}
	ctx := t.Context()
	opts := natsstore.Options{URL: use(t, 1).url(), Prefix: prefix(), Name: "recorded", Lease: 2 * time.Second, Pace: -1}
	a, b := ready(t, open(t, opts)), ready(t, open(t, opts))
	for i, topic := range recordedTopics {
		claim(t, a, topic+"live", snapshot.ClaimOptions{}).Put(fmt.Appendf(nil, "live %d", i))
		released := claim(t, a, topic+"released", snapshot.ClaimOptions{})
		released.Put([]byte{0, 1, 0xff, byte(i)})
		if err := released.Release(ctx); err != nil {
			t.Fatal(err)
		}
		finish(t, claim(t, a, topic+"final", snapshot.ClaimOptions{}), fmt.Sprint("final ", i), time.Hour)
		finish(t, claim(t, a, topic+"gone", snapshot.ClaimOptions{}), fmt.Sprint("gone ", i), 0)
		claim(t, b, topic+"dead", snapshot.ClaimOptions{}).Put(fmt.Appendf(nil, `{"dead":%d}`, i))
	}
	claim(t, a, "claimed", snapshot.ClaimOptions{})
	finish(t, claim(t, a, "for ever", snapshot.ClaimOptions{}), "", 200*365*24*time.Hour)
	finish(t, claim(t, a, "expired", snapshot.ClaimOptions{}), "x", time.Second)
	counts := claim(t, a, "counts", snapshot.ClaimOptions{})
	for i := range 3 {
		counts.Put([]byte{byte(i)})
		time.Sleep(50 * time.Millisecond)
	}
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // until what has expired is gone
	w := watch(t, ready(t, open(t, opts)))
	var lines []byte
	add := func(one recordedLine) {
		line, _ := json.Marshal(one) // texts, numbers and bytes encode
		lines = append(append(lines, line...), '\n')
	}
	eachMessage(t, opts, func(m *jetstream.RawStreamMsg) {
		for name := range m.Header {
			if strings.HasPrefix(name, "Nats-") && name != "Nats-TTL" && name != "Nats-Marker-Reason" {
				delete(m.Header, name) // of the way in which it was written, or read
			}
		}
		add(recordedLine{Message: &rawMessage{strings.TrimPrefix(m.Subject, opts.Prefix+".store."), m.Header, m.Data}})
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.newest {
		if e.State != snapshot.Gone {
			add(recordedLine{Entry: &recordedEntry{[]byte(e.Topic), e.State.String(), e.Run, e.N, e.Data}})
		}
	}
	if err := os.WriteFile(recordedMessages(formats), lines, 0o600); err != nil {
		t.Fatal(err)
	}
}

// eachMessage calls f for each message of a stream.
func eachMessage(t *testing.T, opts natsstore.Options, f func(*jetstream.RawStreamMsg)) {
	t.Helper()
	conn, err := nats.Connect(opts.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	jets, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := jets.Stream(t.Context(), opts.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	for seq := stream.CachedInfo().State.FirstSeq; seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		f(m)
	}
}

// recorded returns what is in a recording.
func recorded(t *testing.T, format int) (messages []*rawMessage, entries []*recordedEntry) {
	t.Helper()
	file, err := os.Open(recordedMessages(format))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one recordedLine
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		if one.Message != nil {
			messages = append(messages, one.Message)
		} else {
			entries = append(entries, one.Entry)
		}
	}
	if len(messages) < 30 || len(entries) < 20 {
		t.Fatalf("a recording has %d messages of %d entries", len(messages), len(entries))
	}
	return messages, entries
}

// What a store of each format has left in the stream later ones read, and go on with: this must hold for every format that there
// ever was.
func TestRecordedMessages(t *testing.T) {
	t.Parallel()
	for format := 1; format <= formats; format++ {
		messages, entries := recorded(t, format)
		opts := natsstore.Options{URL: use(t, 1).url(), Prefix: prefix()}
		first := ready(t, open(t, opts)) // makes the stream
		told := watch(t, first)
		conn, err := nats.Connect(opts.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, m := range messages {
			msg := &nats.Msg{Subject: opts.Prefix + ".store." + m.Subject, Header: m.Header, Data: m.Body}
			if answer, err := conn.RequestMsg(msg, 10*time.Second); err != nil || strings.Contains(string(answer.Data), `"error"`) {
				t.Fatalf("message %s: %s, %v", m.Subject, answer.Data, err)
			}
		}
		ctx, done := context.WithTimeout(t.Context(), 30*time.Second)
		defer done()
		listed := watch(t, ready(t, open(t, opts)))
		if err := first.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		for name, w := range map[string]*watcher{"told": told, "listed": listed} {
			w.mu.Lock()
			stand := 0
			for _, e := range w.newest {
				if e.State != snapshot.Gone {
					stand++
				}
			}
			if stand != len(entries) {
				t.Errorf("format %d, %s: there are %d entries, want %d", format, name, stand, len(entries))
			}
			for _, want := range entries {
				got := w.newest[string(want.Topic)]
				isAs := got.State.String() == want.State || want.State == "live" && got.State == snapshot.Orphan // the lease is over
				if !isAs || got.Run != want.Run || got.N != want.N || string(got.Data) != string(want.Data) {
					t.Errorf("format %d, %s: %.40q is %.200v, want it %s, run %s, %d, %q", format, name, want.Topic, got, want.State, want.Run, want.N, want.Data)
				}
			}
			w.mu.Unlock()
		}
		for _, want := range entries {
			if want.State == snapshot.Final.String() {
				continue
			}
			topic := string(want.Topic)
			told.wait(topic, snapshot.Orphan, string(want.Data)) // at the end of the lease
			adopted, e, err := first.Claim(ctx, topic, snapshot.ClaimOptions{Adopt: want.Run})
			if err != nil || adopted == nil || string(e.Data) != string(want.Data) {
				t.Fatalf("format %d: %.40q is adopted as %v, %v", format, want.Topic, e, err)
			}
			finish(t, adopted, "end", time.Hour)
			told.wait(topic, snapshot.Final, "end")
		}
	}
}
