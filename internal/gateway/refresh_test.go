package gateway_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
)

func TestRefresh(t *testing.T) {
	plant := newUpstream(t, `40`)
	s := start(t, fmt.Sprintf(`
upstreams: {plant: {http: %[1]q}, slow: {http: %[1]q, limit: 2/h, burst: 2}}
sources:
  tank: {http: {upstream: plant, path: /}, every: 1h}
  site: {from: [tank]}
  limited: {http: {upstream: slow, path: /limited}, every: 1h}
`, plant.URL))
	s.source("tank", "ok")
	s.source("limited", "ok")
	polled := map[string]string{"tank": "tank", "site": "tank", "limited": "limited"}
	for value, name := range []string{"tank", "site", "limited"} {
		plant.say(strconv.Itoa(value))
		got := s.json(http.StatusAccepted, "POST", "/api/v1/sources/"+name+"/refresh", "")
		if got["name"] != name || got["key"] != "source/"+name {
			t.Errorf("refresh of %s = %v, want its object", name, got)
		}
		s.await("what the refresh brings", func(v object) bool { return v["name"] == polled[name] && v["value"] == float64(value) })
	}

	status, header, body := s.do("POST", "/api/v1/sources/limited/refresh", "")
	p := decode(t, []byte(body))
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if status != http.StatusTooManyRequests || err != nil || seconds < 1700 || seconds > 1800 || p["retry_after"] != float64(seconds) {
		t.Errorf("refresh beyond the limit = %d, Retry-After %q, %s, want 429 and half an hour", status, header.Get("Retry-After"), body)
	}
	s.json(http.StatusNotFound, "POST", "/api/v1/sources/nothing/refresh", "")
	s.json(http.StatusMethodNotAllowed, "GET", "/api/v1/sources/tank/refresh", "")
}

// Whoever asks for a refresh while a poll is in flight gets what that one brings, also when the limit is spent.
func TestRefreshJoinsThePollInFlight(t *testing.T) {
	plant := newUpstream(t, `40`)
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	plant.does(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		fmt.Fprint(w, "41")
	})
	s := start(t, fmt.Sprintf(`
upstreams: {plant: {http: %q, limit: 1/h}}
sources:
  tank: {http: {upstream: plant, path: /}, every: 1h, timeout: 1m}
`, plant.URL))
	<-asked
	for range 5 {
		s.json(http.StatusAccepted, "POST", "/api/v1/sources/tank/refresh", "")
	}
	close(answer)
	s.source("tank", "ok")
	if n := plant.count(); n != 1 {
		t.Errorf("the upstream was asked %d times, want once", n)
	}
}
