package natsstoretest_test

import (
	"context"
	"errors"
	"strings"
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
	if _, err := stores[1].Ask(ctx, "b", nil); !errors.Is(err, natsstore.ErrNobody) {
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
	if _, err := stores[1].Ask(ctx, "a", nil); !errors.Is(err, natsstore.ErrNobody) {
		t.Errorf("a question after the end: %v", err)
	}
}
