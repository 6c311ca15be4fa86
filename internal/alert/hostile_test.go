package alert_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestAWebhookThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t)
		leave := make(chan struct{})
		t.Cleanup(func() { close(leave) })
		p.does(func(_ http.ResponseWriter, host, _ string) {
			if host == "deaf.example" {
				<-leave
			}
		})
		p.tell(webhook("deaf"), "tank", "firing")
		p.tell(webhook("ops"), "tank", "firing")
		p.heardInAnyOrder("0s deaf.example tank firing", "0s ops.example tank firing")
		time.Sleep(10*time.Second + time.Millisecond)
		p.logged(1, `"POST http://deaf.example: timed out after 10 s"`)
		p.heard()
		time.Sleep(time.Second)
		p.heard("11s deaf.example tank firing")
	})
}

// Whatever some webhooks do, another one is called in the moment in which something is to be told.
func TestHostileWebhooksHoldUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPhone(t)
		leave := make(chan struct{})
		t.Cleanup(func() { close(leave) })
		p.does(func(w http.ResponseWriter, host, _ string) {
			switch host {
			case "deaf.example":
				<-leave
			case "failing.example":
				w.WriteHeader(http.StatusInternalServerError)
			case "limited.example":
				w.Header().Set("Retry-After", "600")
				w.WriteHeader(http.StatusTooManyRequests)
			case "leading.example":
				w.Header().Set("Location", "http://phone.example/")
				w.WriteHeader(http.StatusTemporaryRedirect)
			case "endless.example", "dripping.example":
				w.WriteHeader(http.StatusInternalServerError)
				for {
					_, err := io.WriteString(w, "and so on ")
					if http.NewResponseController(w).Flush(); err != nil {
						return
					}
					if host == "endless.example" {
						continue
					}
					select {
					case <-leave:
						return
					case <-time.After(100 * time.Millisecond):
					}
				}
			}
		})
		for range 5 {
			for _, state := range []string{"firing", "resolved"} {
				for _, name := range []string{"deaf", "failing", "limited", "leading", "endless", "dripping", "phone"} {
					p.tell(webhook(name), "tank", state)
				}
				now := time.Since(p.begun)
				time.Sleep(3 * time.Second)
				calls := slices.DeleteFunc(p.taken(), func(call string) bool { return !contains(call, "phone.example") })
				if want := fmt.Sprintf("%v phone.example tank %s", now, state); !slices.Equal(calls, []string{want}) {
					t.Errorf("calls of the phone = %q, want %q", calls, want)
				}
			}
		}
	})
}
