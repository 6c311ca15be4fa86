package httpclient_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/httpclient"
)

func TestSameOrigin(t *testing.T) {
	for _, test := range []struct {
		from, to string
		want     bool
	}{
		{"http://h/a", "http://h/b", true},
		{"http://h", "http://H:80", true},
		{"https://h:443", "https://h", true},
		{"http://h:8080", "http://h:8080/x?y", true},
		{"http://[::1]:80", "http://[::1]", true},
		{"http://h", "https://h", true},
		{"http://h", "https://h:8443", false},
		{"http://h:8080", "https://h:8080", false},
		{"http://h:8080", "https://h", false},
		{"https://h", "http://h", false},
		{"https://h:8443", "http://h:8443", false},
		{"http://h", "http://h:8080", false},
		{"http://h", "http://sub.h", false},
		{"http://h", "http://h.example", false},
		{"http://h", "ftp://h", false},
	} {
		from, err1 := url.Parse(test.from)
		to, err2 := url.Parse(test.to)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if got := httpclient.SameOrigin(from, to); got != test.want {
			t.Errorf("SameOrigin(%s, %s) = %v, want %v", from, to, got, test.want)
		}
	}
}

// An origin that redirects to another one, by path: /to?URL redirects there.
func TestCredentialsStayAtTheirOrigin(t *testing.T) {
	var got []string // "origin: header names that came"
	serve := func(name string) *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var found []string
			for _, h := range slices.Sorted(maps.Keys(r.Header)) {
				if h != "Accept-Encoding" && h != "User-Agent" {
					found = append(found, h)
				}
			}
			got = append(got, name+": "+strings.Join(found, " "))
			if to := r.URL.Query().Get("to"); to != "" {
				http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			}
		}))
		t.Cleanup(server.Close)
		return server
	}
	ours, theirs := serve("ours"), serve("theirs")
	to := func(server *httptest.Server, next string) string { return server.URL + "/?to=" + url.QueryEscape(next) }
	const all, plain = "Accept Authorization Cookie X-Api-Key", "Accept"
	const back = "Accept Authorization Cookie Referer X-Api-Key"
	for _, test := range []struct{ name, at, want string }{
		{"the same origin", to(ours, ours.URL), "ours: " + all + "; ours: " + back},
		{"another port", to(ours, theirs.URL), "ours: " + all + "; theirs: " + plain},
		{"and back", to(ours, to(theirs, ours.URL)), "ours: " + all + "; theirs: " + plain + "; ours: " + plain},
	} {
		t.Run(test.name, func(t *testing.T) {
			got = nil
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.at, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"Accept": {"a/b"}, "Authorization": {"Bearer t"}, "Cookie": {"c=1"}, "X-Api-Key": {"k"}}
			asked := 0
			client := httpclient.KeepCredentials(&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
				asked++
				return nil
			}})
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := strings.Join(got, "; "); got != test.want {
				t.Errorf("the requests had\n%s, want\n%s", got, test.want)
			}
			if want := strings.Count(test.want, ";"); asked != want {
				t.Errorf("the client's own CheckRedirect was asked %d times, want %d", asked, want)
			}
		})
	}
}

func TestTenRedirectsAreFollowed(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		http.Redirect(w, r, "/", http.StatusFound)
	}))
	defer server.Close()
	_, err := httpclient.KeepCredentials(nil).Get(server.URL)
	if err == nil || !strings.HasSuffix(err.Error(), "stopped after 10 redirects") || n != 10 {
		t.Errorf("error after %d requests: %v, want 10 redirects", n, err)
	}
}
