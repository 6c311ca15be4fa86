package natsstoretest_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/natsstore"
)

// Processes ask each other by name, and are told if nobody of that name is there.
func TestAsk(t *testing.T) {
	t.Parallel()
	c := use(t, 1)
	opts := natsstore.Options{URL: c.url(), Prefix: prefix()}
	var stores []*natsstore.Store
	for range 2 {
		s, err := natsstore.Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close(context.Background()) })
		stores = append(stores, s)
	}
	ctx, done := context.WithTimeout(t.Context(), 10*time.Second)
	defer done()
	if err := stores[0].Sync(ctx); err != nil {
		t.Fatal(err)
	}
	stop, err := stores[0].Answer("a", func(_ context.Context, question []byte) []byte { return append(question, '!') })
	if err != nil {
		t.Fatal(err)
	}
	if err := stores[0].Sync(ctx); err != nil { // the server has the subscription by then
		t.Fatal(err)
	}
	if got, err := stores[1].Ask(ctx, "a", []byte("hello")); err != nil || string(got) != "hello!" {
		t.Errorf("the answer is %q, %v", got, err)
	}
	if _, err := stores[1].Ask(ctx, "b", nil); !errors.Is(err, natsstore.ErrNoResponder) {
		t.Errorf("a question to nobody: %v", err)
	}
	if _, err := stores[1].Ask(ctx, "a", make([]byte, stores[1].MaxData()+1)); err == nil {
		t.Error("a question that is too large was asked")
	}
	large, err := stores[0].Answer("large", func(context.Context, []byte) []byte { return make([]byte, stores[0].MaxData()+1) })
	if err != nil {
		t.Fatal(err)
	}
	defer large()
	if err := stores[0].Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := stores[1].Ask(ctx, "large", nil); err == nil || !strings.Contains(err.Error(), "the answer has 1032193 bytes") {
		t.Errorf("an answer that is too large: %d bytes, %v", len(got), err)
	}
	stop()
	if err := stores[0].Sync(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := stores[1].Ask(ctx, "a", nil); !errors.Is(err, natsstore.ErrNoResponder) {
		t.Errorf("a question after the end: %v", err)
	}
}

// Questions that are being answered have an owner: there is a bound, and stop and Close wait for them.
func TestAnswersInProgress(t *testing.T) {
	t.Parallel()
	c := use(t, 1)
	store, err := natsstore.Open(natsstore.Options{URL: c.url(), Prefix: prefix()})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = store.Close(context.Background())
		}
	})
	ctx, done := context.WithTimeout(t.Context(), 30*time.Second)
	defer done()
	if err := store.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	var begun, working atomic.Int64
	release := make(chan struct{})
	stop, err := store.Answer("slow", func(context.Context, []byte) []byte {
		begun.Add(1)
		working.Add(1)
		<-release
		working.Add(-1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	short, give := context.WithTimeout(ctx, time.Second)
	for range 300 {
		go func() { _, _ = store.Ask(short, "slow", nil) }()
	}
	<-short.Done()
	give()
	if n := working.Load(); n != 256 {
		t.Errorf("%d questions are being answered at once, want 256", n)
	}
	time.AfterFunc(100*time.Millisecond, func() { close(release) })
	stop()
	stop()
	if n := working.Load(); n != 0 {
		t.Errorf("when stop has returned, %d questions are being answered", n)
	}
	if n := begun.Load(); n != 256 {
		t.Errorf("%d questions were begun, also after stop", n)
	}

	var ended atomic.Bool
	asked := make(chan struct{})
	if _, err := store.Answer("long", func(ctx context.Context, _ []byte) []byte {
		close(asked)
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond)
		ended.Store(true)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := store.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = store.Ask(ctx, "long", nil) }()
	<-asked
	patience, give := context.WithTimeout(ctx, 100*time.Millisecond)
	defer give()
	closed = true
	if err := store.Close(patience); err == nil {
		t.Error("Close does not say that something was in progress")
	}
	if !ended.Load() {
		t.Error("Close does not wait for an answer in progress")
	}
	if _, err := store.Ask(ctx, "long", nil); err == nil || !strings.Contains(err.Error(), "the store is closed") {
		t.Errorf("a question after Close: %v", err)
	}
	if _, err := store.Answer("late", nil); err == nil || !strings.Contains(err.Error(), "the store is closed") {
		t.Errorf("an Answer after Close: %v", err)
	}
}

// A name is one word of a subject, so that nobody asks everybody.
func TestNamesOfQuestions(t *testing.T) {
	t.Parallel()
	c := use(t, 1)
	store, err := natsstore.Open(natsstore.Options{URL: c.url(), Prefix: prefix()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.Background()) })
	for _, name := range []string{"", "*", ">", "a.b", "a b", "ä", strings.Repeat("a", 65)} {
		if _, err := store.Ask(t.Context(), name, nil); err == nil || !strings.Contains(err.Error(), "want up to 64 letters") {
			t.Errorf("Ask(%q) = %v", name, err)
		}
		if _, err := store.Answer(name, nil); err == nil || !strings.Contains(err.Error(), "want up to 64 letters") {
			t.Errorf("Answer(%q) = %v", name, err)
		}
	}
}

// A question says that there is no connection, rather than that a buffer of the client is full.
func TestAskWithoutServer(t *testing.T) {
	t.Parallel()
	store, err := natsstore.Open(natsstore.Options{URL: "nats://127.0.0.1:1", Prefix: prefix()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.Background()) })
	ctx, done := context.WithTimeout(t.Context(), 5*time.Second)
	defer done()
	_, err = store.Ask(ctx, "a", nil)
	if !errors.Is(err, natsstore.ErrNoResponder) || !strings.Contains(err.Error(), "no connection to nats://127.0.0.1:1") {
		t.Errorf("a question without a server: %v", err)
	}
}
