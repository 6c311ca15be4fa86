package e2e_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
)

// The snapshot of a job does not have its alert, so the page asks for it when alerts have changed.
func TestJobsHaveTheirAlerts(t *testing.T) {
	var alert atomic.Value
	alert.Store("null")
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/sources", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"sources":[]}`) })
	mux.HandleFunc("/api/v1/jobs", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"jobs":[{"name":"backup","alert":%s,"strip":[]},{"name":"other","alert":null,"strip":[]}]}`, alert.Load())
	})
	p := open(t, modules(t, "", mux), view{})
	eval[bool](p, `(async () => {
		const { Plant } = await import("/static/plant.js");
		window.told = [];
		const on = Object.fromEntries(["source", "listed", "trends", "configured", "reconfigured", "alerts", "said"].map((name) => [name, () => {}]));
		window.plant = new Plant({ ...on, job: (name) => document.body.append(told.push(name + " " + plant.jobs.get(name).alert?.state)) });
		await plant.reload();
		return true;
	})()`)
	for i, state := range []string{"firing", "clear", "firing"} {
		if state == "clear" {
			alert.Store("null")
		} else {
			alert.Store(`{"state":"` + state + `"}`)
		}
		eval[bool](p, fmt.Sprintf(`(plant.apply({ key: "alerts", version: %d }), true)`, i))
		p.await(fmt.Sprintf(`told.length === %d`, i+1))
	}
	if got, want := eval[string](p, `told.join(", ")`), "backup firing, backup undefined, backup firing"; got != want {
		t.Errorf("what was told is %s, want %s", got, want)
	}
}
