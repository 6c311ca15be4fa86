package gateway_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/access/issuertest"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// cookieOf returns the header with which a browser sends cookies.
func cookieOf(cookies []*http.Cookie) http.Header {
	var all []string
	for _, c := range cookies {
		if c.MaxAge >= 0 {
			all = append(all, c.Name+"="+c.Value)
		}
	}
	return http.Header{"Cookie": {strings.Join(all, "; ")}}
}

const (
	opsToken     = `{"token":"a long secret token"}`
	opsConfigure = "access: {tokens: {ops: {sha256: \"%x\", role: admin}}}\nsources: {}\n"
)

// The next request after signing in may come to any replica, however late that hears of the session. One whose session has
// ended stays out, also if another replica sees it used at that moment, and so does a cookie of nothing.
func TestReplicasFindSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := fmt.Sprintf(opsConfigure, sha256.Sum256([]byte("a long secret token")))
		f := newFleet(t)
		f.store = snapshottest.Distant(snapshot.NewMemory(), 300*time.Millisecond)
		a, b := f.join(yaml), f.join(yaml)
		time.Sleep(3 * time.Second)
		status := func(m *member, cookie http.Header) int { return m.doWith("GET", "/api/v1/sources", "", cookie).Code }
		for range 20 {
			cookie := cookieOf(a.doWith("POST", "/auth/token", opsToken, nil).Result().Cookies())
			if got := status(b, cookie); got != 200 {
				t.Fatalf("the first request after signing in, at another replica, = %d, want 200", got)
			}
			time.Sleep(2 * time.Minute)
			var used sync.WaitGroup
			used.Go(func() { status(a, cookie) })
			b.doWith("POST", "/auth/logout", "", cookie)
			used.Wait()
			time.Sleep(10 * time.Second)
			if status(a, cookie) != 401 || status(b, cookie) != 401 {
				t.Fatal("a session that has ended is back")
			}
		}
		c := f.join(yaml)
		time.Sleep(3 * time.Second)
		began := time.Now()
		for i := range 10 {
			if got := status(c, http.Header{"Cookie": {fmt.Sprint("tidewire=", i)}}); got != 401 {
				t.Errorf("a cookie of nothing = %d, want 401", got)
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("10 requests with cookies of nothing took %v", took)
		}
		for _, m := range []*member{a, b, c} {
			m.leave()
		}
	})
}

// A sign-in at the provider that was begun at one replica is completed at any other one, once, and ends at all.
func TestReplicasShareOIDC(t *testing.T) {
	i := issuertest.New(t)
	yaml := fmt.Sprintf("access: {oidc: {issuer: %q, client_id: %s, groups: {ops: operator}}}\nsources: {}\n", i.URL, issuertest.ClientID)
	f := newFleet(t)
	a, b := f.join(yaml), f.join(yaml)
	begun := a.do("GET", "/auth/oidc", "")
	to := begun.Header().Get("Location")
	if begun.Code != 303 || to == "" {
		t.Fatalf("signing in = %d %s", begun.Code, begun.Body)
	}
	state := cookieOf(begun.Result().Cookies())
	back := "/auth/callback?" + i.Permit(to).RawQuery
	completed := b.doWith("GET", back, "", state)
	if completed.Code != 303 {
		t.Fatalf("completed at another replica = %d %s", completed.Code, completed.Body)
	}
	session := cookieOf(completed.Result().Cookies())
	c := f.join(yaml)
	for _, m := range []*member{a, b, c} {
		if me := decode(t, m.doWith("GET", "/api/v1/me", "", session).Body.Bytes()); me["name"] != "ann" || me["role"] != "operator" {
			t.Errorf("a replica takes the session for %v, want ann's", me)
		}
	}
	for _, m := range []*member{a, b, c} {
		if again := m.doWith("GET", back, "", state); again.Code == 303 {
			t.Errorf("a sign-in was completed again, at another replica: %v", again.Header())
		}
	}
	c.doWith("POST", "/auth/logout", "", session)
	until := time.Now().Add(time.Minute)
	for _, m := range []*member{a, b, c} {
		for m.doWith("GET", "/api/v1/sources", "", session).Code != 401 {
			if time.Now().After(until) {
				t.Fatal("after signing out a replica still takes the session")
			}
			time.Sleep(time.Millisecond)
		}
	}

	f.forget("access/key") // the stream is another one: the next replica makes another key
	d := f.join(yaml)
	for completed.Code = 0; completed.Code != 303; time.Sleep(time.Millisecond) { // until the others have heard of it
		begun := a.do("GET", "/auth/oidc", "")
		completed = d.doWith("GET", "/auth/callback?"+i.Permit(begun.Header().Get("Location")).RawQuery, "", cookieOf(begun.Result().Cookies()))
		if time.Now().After(until) {
			t.Fatalf("with another key a sign-in is completed with %d %s", completed.Code, completed.Body)
		}
	}
	for _, m := range []*member{a, b, c, d} {
		m.leave()
	}
}

// forget removes the entry of a topic from the store.
func (f *fleet) forget(topic string) {
	f.t.Helper()
	run := ""
	ctx, done := context.WithCancel(f.t.Context())
	_ = f.store.Follow(ctx, func(e snapshot.Entry) {
		if e.Topic == topic {
			run = e.Run
		}
	}, done)
	if err := f.store.Forget(f.t.Context(), topic, run); run == "" || err != nil {
		f.t.Fatalf("forget %s: %v", topic, err)
	}
}

// Who has signed in at one replica is signed in at all, those that come later included, and who has signed out is out
// everywhere.
func TestReplicasShareSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := fmt.Sprintf("access: {tokens: {ops: {sha256: \"%x\", role: admin}}}\nsources: {}\n", sha256.Sum256([]byte("a long secret token")))
		f := newFleet(t)
		a, b := f.join(yaml), f.join(yaml)
		time.Sleep(3 * time.Second)
		w := a.doWith("POST", "/auth/token", `{"token":"a long secret token"}`, nil)
		cookies := w.Result().Cookies()
		if w.Code >= 400 || len(cookies) == 0 {
			t.Fatalf("signing in = %d %s", w.Code, w.Body)
		}
		cookie := cookieOf(cookies)
		status := func(m *member) int { return m.doWith("GET", "/api/v1/sources", "", cookie).Code }
		time.Sleep(time.Second)
		if status(a) != 200 || status(b) != 200 {
			t.Errorf("after signing in: %d and %d, want 200", status(a), status(b))
		}
		a.leave()
		c := f.join(yaml)
		time.Sleep(2 * time.Second)
		if status(c) != 200 {
			t.Errorf("a new replica answers %d, want 200", status(c))
		}
		time.Sleep(7 * time.Hour) // of the 12 after which it would end
		if status(b) != 200 {
			t.Fatalf("after use it is %d", status(b))
		}
		time.Sleep(7 * time.Hour)
		if status(c) != 200 { // uses are shared, too
			t.Errorf("a session that was used elsewhere is %d, want 200", status(c))
		}
		c.doWith("POST", "/auth/logout", "", cookie)
		time.Sleep(time.Second)
		if status(b) != 401 || status(c) != 401 {
			t.Errorf("after signing out: %d and %d, want 401", status(b), status(c))
		}
		b.leave()
		c.leave()
	})
}
