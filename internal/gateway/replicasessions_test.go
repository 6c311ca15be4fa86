package gateway_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
		var all []string
		for _, c := range cookies {
			all = append(all, c.Name+"="+c.Value)
		}
		cookie := http.Header{"Cookie": {strings.Join(all, "; ")}}
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
		for range 3 { // uses are shared, too
			time.Sleep(8 * time.Hour)
			if status(b) != 200 {
				t.Fatalf("after use it is %d", status(b))
			}
		}
		time.Sleep(8 * time.Hour)
		if status(c) != 200 {
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
