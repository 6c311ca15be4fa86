package e2e_test

import "testing"

// What Chromium shows, Firefox shows as well: the first values, and what changes them.
func TestFirefoxFollows(t *testing.T) {
	up := newUpstream(t, `{"level": 41}`)
	s := serve(t, `
upstreams: {plant: {http: "`+up.url+`"}}
sources: {tank: {title: Tank, http: {upstream: plant, path: /}, every: 50ms, stale_after: 1m, pick: {level: .level}, show: {value: level}}}
`)
	f := openFirefox(t, s.url)
	f.await(`document.body.innerText.includes("41")`)
	up.say(`{"level": 42}`)
	f.await(`document.body.innerText.includes("42")`)
}

// A gateway that is killed and comes back is told, in Firefox too, whose streams end in other ways than Chromium's.
func TestFirefoxReconnects(t *testing.T) {
	up := newUpstream(t, `{"level": 41}`)
	s := serve(t, `
upstreams: {plant: {http: "`+up.url+`"}}
sources: {tank: {title: Tank, http: {upstream: plant, path: /}, every: 50ms, stale_after: 1m, pick: {level: .level}, show: {value: level}}}
`)
	f := openFirefox(t, s.url)
	f.expect(".") // it complains about each connection that is refused
	f.await(`document.body.innerText.includes("41") && connection() === "live"`)
	s.stop()
	f.await(`connection() === "reconnecting"`)
	up.say(`{"level": 42}`)
	s.start()
	f.await(`connection() === "live" && document.body.innerText.includes("42")`)
}
