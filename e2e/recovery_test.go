package e2e_test

import "testing"

func TestThePageRecoversWhenTheServerRestarts(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	s := newScript(t)
	g := serve(t, tank(plant.url)+scan(s))
	p := open(t, g.url, view{})
	p.expect(`network: Failed to load resource: net::`)
	p.await(`connection() === "live" && text("tank", ".figure") === "41.0"`)
	p.click(runReport)
	s.begun().exit(0)
	p.await(`card("report").dataset.state === "succeeded"`)

	g.stop()
	p.await(`connection() === "reconnecting"`)
	p.await(`text("tank", ".figure") === "41.0" && text("tank", ".next") === ""`)
	plant.say(`{"level": 44}`)
	g.start()
	p.await(`connection() === "live" && text("tank", ".figure") === "44.0" && card("tank").dataset.state === "ok"`)
	// What the new server does not know is not shown any more, and nothing twice.
	p.await(`card("report").dataset.state === "idle"`)
	if got, want := eval[int](p, `document.querySelectorAll(".card").length`), 3; got != want {
		t.Errorf("the page shows %d cards, want %d", got, want)
	}
	p.click(runReport)
	s.begun().exit(0)
	p.await(`card("report").dataset.state === "succeeded"`)
}
