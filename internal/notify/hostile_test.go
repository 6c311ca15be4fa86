package notify_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

// receiversOf returns a webhook and a service whose requests all go to a server.
func receiversOf(t *testing.T, address string) map[string]notify.Receiver {
	t.Helper()
	host := strings.TrimPrefix(address, "http://")
	service, err := notify.ParseService("ntfy://hunter2@" + host + "/hunter2-topic?tls=none")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]notify.Receiver{
		"http": webhook(t, address+"/hunter2", "Authorization", "Bearer hunter2"),
		"ntfy": service,
	}
}

// Neither a credential nor a message goes to where a receiver redirects.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	other, secure := httptest.NewServer(count), httptest.NewTLSServer(count)
	defer other.Close()
	defer secure.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{"/elsewhere", other.URL, secure.URL, "//" + strings.TrimPrefix(other.URL, "http://") + "/x"} {
			var calls atomic.Int32
			address, _ := listen(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				http.Redirect(w, r, to, status)
			})
			for name, receiver := range receiversOf(t, address) {
				err := receiver.Send(t.Context(), nil, severe())
				e, ok := err.(*notify.Error)
				if want := fmt.Sprintf("POST %s: %d %s", address, status, http.StatusText(status)); !ok || !e.Permanent || err.Error() != want {
					t.Errorf("%s, %d to %s: %v, want %s", name, status, to, err, want)
				}
			}
			if calls.Load() != 2 || elsewhere.Load() != 0 {
				t.Errorf("%d to %s: %d calls, and %d elsewhere", status, to, calls.Load(), elsewhere.Load())
			}
		}
	}
}

// A redirect from TLS to plain text is not followed either.
func TestARedirectToPlainTextIsNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusTemporaryRedirect))
	defer secure.Close()
	to := webhook(t, secure.URL, "Authorization", "Bearer hunter2")
	err := to.Send(t.Context(), secure.Client(), severe())
	if err == nil || !strings.HasSuffix(err.Error(), ": 307 Temporary Redirect") || elsewhere.Load() != 0 {
		t.Errorf("Send = %v, with %d calls elsewhere", err, elsewhere.Load())
	}
}

// A receiver that says little, and slowly, is given up when its time is over.
func TestASlowAnswerEndsWithItsTime(t *testing.T) {
	leave, reached := make(chan struct{}), make(chan struct{}, 1)
	slow, _ := listen(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		for said := 1; ; said++ {
			_, err := w.Write([]byte("x"))
			if http.NewResponseController(w).Flush(); err != nil {
				return
			}
			if said == 3 {
				reached <- struct{}{}
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-leave:
				return
			}
		}
	})
	deaf, _ := listen(t, func(_ http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-leave:
		}
	})
	t.Cleanup(func() { close(leave) })
	for _, address := range []string{slow, deaf} {
		for name, receiver := range receiversOf(t, address) {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-reached; cancel() }()
			err := receiver.Send(ctx, nil, severe())
			if ctx.Err() == nil || err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
