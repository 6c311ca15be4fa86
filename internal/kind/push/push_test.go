package push_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/push"
	"github.com/tidewire/tidewire/internal/value"
)

// A runtime subscribes a source, and takes messages when it is told to.
type runtime struct {
	kind.Receiver
	end context.CancelFunc

	mu   sync.Mutex // guards the field below
	take []kind.FetchFunc
}

func open(t *testing.T, parse string, count int) *runtime {
	t.Helper()
	s := &push.Source{Limit: push.Limit{Count: count, Per: time.Second, Text: fmt.Sprintf("%d/s", count)}}
	f, err := s.Open(kind.Env{Parse: value.Format{Name: parse}})
	if err != nil {
		t.Fatal(err)
	}
	return &runtime{Receiver: f.(kind.Receiver)}
}

// subscribe begins a subscription, and returns once it is there.
func (r *runtime) subscribe(t *testing.T) {
	var ctx context.Context
	ctx, r.end = context.WithCancel(t.Context())
	go r.Subscribe(ctx, func(f kind.FetchFunc) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.take = append(r.take, f)
	})
	synctest.Wait()
}

// taken returns what the last message that was emitted gives.
func (r *runtime) taken(t *testing.T) (kind.Result, error) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.take) == 0 {
		t.Fatal("no message was emitted")
	}
	return r.take[len(r.take)-1](t.Context())
}

func (r *runtime) receive(t *testing.T, data, media string) <-chan error {
	t.Helper()
	done, err := r.Receive(kind.Message{Data: []byte(data), Media: media})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestWhatABodyBecomes(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	type object = map[string]any
	for _, tt := range []struct {
		parse, data, media string
		want               any
		err                string
	}{
		{"json", `{"a": 1}`, "application/json", object{"a": 1.0}, ""},
		{"json", ` 21.5 `, "text/plain", 21.5, ""},
		{"json", `21.5`, form, 21.5, ""}, // as curl -d sends it
		{"json", `{"a": "b=c"}`, form, object{"a": "b=c"}, ""},
		{"json", `a=1&b=x+y&b=%C3%A9&c`, form + "; charset=utf-8", object{"a": "1", "b": []any{"x y", "é"}, "c": ""}, ""},
		{"json", `a=%zz`, form, nil, "not a form"},
		{"json", strings.Repeat("a=1&", 1000) + "a=1", form, nil, "a form of 1001 fields, want at most 1000"},
		{"json", `hello`, "", nil, `not JSON (invalid character 'h' looking for beginning of value), starts with "hello"`},
		{"text", `a=1&b=2`, form, "a=1&b=2", ""},
		{"text", "caf\xe9", "text/plain; charset=iso-8859-1", "café", ""},
		{"lines", "a\nb\n", "text/plain", []any{"a", "b"}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := open(t, tt.parse, 10)
			r.subscribe(t)
			defer r.end()
			r.receive(t, tt.data, tt.media)
			got, err := r.taken(t)
			switch {
			case tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)):
				t.Errorf("%q of %q as %s is the error %v, want %s", tt.data, tt.media, tt.parse, err, tt.err)
			case tt.err == "" && (err != nil || !reflect.DeepEqual(got.Value, tt.want) || got.Size != len(tt.data)):
				t.Errorf("%q of %q as %s = %v, %d bytes, %v, want %v", tt.data, tt.media, tt.parse, got.Value, got.Size, err, tt.want)
			}
		})
	}
}

// Everybody who has sent a message is told what became of the newest, and nobody twice.
func TestTheNewestMessageCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, "json", 10)
		before := r.receive(t, "1", "") // nobody is subscribed yet
		r.subscribe(t)
		first, second := r.receive(t, "2", ""), r.receive(t, "3", "")
		got, err := r.taken(t)
		if err != nil || got.Value != 3.0 {
			t.Fatalf("the value is %v, %v, want 3", got.Value, err)
		}
		third := r.receive(t, "4", "")
		bad := errors.New("bad")
		got.Done(bad)
		for i, done := range []<-chan error{before, first, second} {
			if err := <-done; err != bad {
				t.Errorf("message %d was told %v, want %v", i, err, bad)
			}
		}
		select {
		case err := <-third:
			t.Errorf("a newer message was told %v", err)
		default:
		}
		if got, err = r.taken(t); got.Value != 4.0 {
			t.Fatalf("the value is %v, %v, want 4", got.Value, err)
		}
		got.Done(nil)
		if err := <-third; err != nil {
			t.Errorf("the message was told %v, want nil", err)
		}
		if _, err = r.taken(t); !errors.Is(err, kind.ErrNothingYet) {
			t.Errorf("without a message there is %v, want nothing", err)
		}
		r.end()
		synctest.Wait()
		emitted := len(r.take)
		if r.receive(t, "5", ""); len(r.take) != emitted {
			t.Error("a message was emitted after the end of the subscription")
		}
	})
}

func TestMoreThanTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, "json", 2)
		r.subscribe(t)
		defer r.end()
		r.receive(t, "1", "")
		r.receive(t, "2", "")
		var tooOften *kind.TooOftenError
		if _, err := r.Receive(kind.Message{Data: []byte("3")}); !errors.As(err, &tooOften) || tooOften.Wait != 500*time.Millisecond {
			t.Fatalf("the third of two a second is %v, want a wait of 500ms", err)
		}
		if got, err := r.taken(t); got.Value != 2.0 {
			t.Errorf("the value is %v, %v, want 2: the third was refused", got.Value, err)
		}
		time.Sleep(500 * time.Millisecond)
		r.receive(t, "4", "")
	})
}

// Messages come from many goroutines while subscriptions begin and end; in the end the last one counts.
func TestMessagesDuringSubscriptions(t *testing.T) {
	r := open(t, "json", 1000)
	var sending sync.WaitGroup
	for i := range 20 {
		sending.Go(func() {
			for j := range 20 {
				r.Receive(kind.Message{Data: fmt.Append(nil, 100*i+j)})
			}
		})
	}
	for range 50 {
		ctx, end := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, end)
		r.Subscribe(ctx, func(f kind.FetchFunc) {
			go f(t.Context())
		})
	}
	sending.Wait()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	r.Receive(kind.Message{Data: []byte("-1")})
	got := make(chan any, 1)
	go r.Subscribe(ctx, func(f kind.FetchFunc) {
		go func() { // as the runtime does
			v, _ := f(ctx)
			got <- v.Value
		}()
	})
	if v := <-got; v != -1.0 {
		t.Errorf("the value is %v, want the last one, -1", v)
	}
}
