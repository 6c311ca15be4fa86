package demo_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/demo"
)

// get asks h and says how long the answer took.
func get(t *testing.T, h http.Handler, path string) (*httptest.ResponseRecorder, time.Duration) {
	t.Helper()
	begun := time.Now()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	return rec, time.Since(begun)
}

func TestNorthHasAQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		north := demo.Service("north")
		for window, askAgain := range []time.Duration{100500 * time.Millisecond, 100 * time.Second} {
			begun := time.Now()
			for i := range 45 {
				if rec, _ := get(t, north, "/v1/now"); rec.Code != http.StatusOK {
					t.Fatalf("window %d, request %d: status %d, want 200", window, i+1, rec.Code)
				}
			}
			time.Sleep(time.Until(begun.Add(askAgain)))
			rec, _ := get(t, north, "/v1/now")
			if got, want := rec.Header().Get("Retry-After"), "20"; rec.Code != http.StatusTooManyRequests || got != want {
				t.Fatalf("window %d, request 46 after %v: status %d, Retry-After %q, want 429, %q", window, askAgain, rec.Code, got, want)
			}
			time.Sleep(19 * time.Second)
			if rec, _ := get(t, north, "/v1/now"); rec.Code != http.StatusTooManyRequests {
				t.Errorf("window %d, before Retry-After: status %d, want 429", window, rec.Code)
			}
			time.Sleep(time.Second) // who waits as Retry-After says is served
		}
		if rec, _ := get(t, north, "/v1/now"); rec.Code != http.StatusOK {
			t.Errorf("at the end of the window: status %d, want 200", rec.Code)
		}
	})
}

func TestCoastHasOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		coast := demo.Service("coast")
		for n := 1; n <= 120; n++ {
			time.Sleep(3 * time.Second) // within its quota
			want := http.StatusOK
			if i := n % 40; 21 <= i && i <= 23 {
				want = http.StatusInternalServerError
			}
			if rec, _ := get(t, coast, "/observations"); rec.Code != want {
				t.Errorf("request %d: status %d, want %d", n, rec.Code, want)
			}
		}
	})
}

func TestCoastAllows20AMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		coast := demo.Service("coast")
		for n := 1; n <= 21; n++ {
			want := http.StatusOK
			if n == 21 {
				want = http.StatusTooManyRequests
			}
			if rec, _ := get(t, coast, "/observations"); rec.Code != want {
				t.Errorf("request %d of the minute: status %d, want %d", n, rec.Code, want)
			}
		}
	})
}

func TestValleyIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		valley := demo.Service("valley")
		times := map[time.Duration]bool{}
		for n := 1; n <= 50; n++ {
			time.Sleep(time.Second)
			rec, took := get(t, valley, "/api")
			if rec.Code != http.StatusOK {
				t.Errorf("request %d: status %d, want 200", n, rec.Code)
			}
			if n%25 == 13 {
				if took != 4*time.Second {
					t.Errorf("request %d took %v, want 4 s", n, took)
				}
			} else if took < 300*time.Millisecond || took > 900*time.Millisecond {
				t.Errorf("request %d took %v, want 300 to 900 ms", n, took)
			}
			times[took] = true
		}
		if len(times) < 40 {
			t.Errorf("50 requests took only %d different times", len(times))
		}
	})
}

func TestSlowAnswerEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begun := time.Now()
		rec := httptest.NewRecorder()
		demo.Service("valley").ServeHTTP(rec, httptest.NewRequestWithContext(ctx, "GET", "/api", nil))
		if took := time.Since(begun); took != 100*time.Millisecond || rec.Body.Len() > 0 {
			t.Errorf("ServeHTTP took %v and wrote %q, want 100 ms and nothing", took, rec.Body)
		}
	})
}

func TestServicesKnowOnePath(t *testing.T) {
	for _, name := range []string{"north", "coast", "valley", "plant"} {
		if rec, _ := get(t, demo.Service(name), "/"); rec.Code != http.StatusNotFound {
			t.Errorf("GET / of %s: status %d, want 404", name, rec.Code)
		}
	}
}

// decode reads a JSON answer into a T.
func decode[T any](t *testing.T, rec *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatalf("answer %q: %v", rec.Body, err)
	}
	return v
}
