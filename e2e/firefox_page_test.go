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

// The keyboard leads through the page and starts a job by its form, which opens and closes as a dialog.
func TestFirefoxStartsAJob(t *testing.T) {
	s := serve(t, "jobs: {hello: {title: Say hello, exec: [echo, '{name}'], args: {name: {type: string, title: Name, default: world}}}}\n")
	f := openFirefox(t, s.url)
	f.await(`connection() === "live" && document.querySelector("[data-keys]").hidden === false`)
	f.press("g", "j")
	f.await(`location.pathname === "/jobs" && connection() === "live" && document.querySelector("[data-keys]").hidden === false`)
	const act = "[data-key='job/hello'] .act button"
	f.click(act)
	f.await(`dialog()?.contains(document.activeElement) && dialog().querySelector("[name='arg.name']").value === "world"`)
	f.press(foxEscape)
	f.await(`!dialog() && document.activeElement === document.querySelector("` + act + `")`)
	f.press(foxEnter)
	f.await(`dialog()?.querySelector("[name='arg.name']") === document.activeElement`)
	f.press(foxEnter)
	f.await(`!dialog() && document.querySelector("[data-key='job/hello']").innerText.includes("succeeded")`)
	f.press("?")
	f.await(`document.querySelector("#keys").open && document.querySelector("#keys").contains(document.activeElement)`)
	f.press(foxEscape)
	f.await(`!document.querySelector("#keys").open`)
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
