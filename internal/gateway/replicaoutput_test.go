package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What a command has printed is read at another replica while it runs, and after the replica that ran it is gone.
func TestReplicasShareOutput(t *testing.T) {
	f := newFleet(t)
	script := shell(t, `i=0; while [ $i -lt 4000 ]; do printf "line $i of \\033[3%dmwhat\\033[0m is printed\n" $((i%8)); i=$((i+1)); done; echo ready; sleep 2`)
	yaml := fmt.Sprintf("jobs:\n  j: {exec: [sh, %q]}\n", script)
	all := []*member{f.join(yaml), f.join(yaml)}
	code, run := all[0].start("j", "")
	if code != 202 {
		t.Fatalf("start = %d %v", code, run)
	}
	path := "/api/v1/runs/" + of(run, "id")
	await := func(what string, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not after a minute: %s", what)
			}
		}
	}
	for _, m := range all {
		await("the output of a run in progress", func() bool {
			w := m.do("GET", path+"/output", "")
			return w.Code == 200 && strings.HasSuffix(w.Body.String(), "\nready\n") && strings.HasPrefix(w.Body.String(), "line 0 ")
		})
	}
	want := all[0].do("GET", path+"/output", "").Body.String()
	all[0].ended(of(run, "id"))
	has, left := all[0], all[1]
	if all[1].RunsHere(of(run, "id")) {
		has, left = all[1], all[0]
	}
	isWhole := func(m *member) bool {
		w := m.do("GET", path+"/output", "")
		return w.Code == 200 && w.Body.String() == want && w.Header().Get("Tidewire-End") == "true" && w.Header().Get("Tidewire-Truncated") == ""
	}
	styles := func(m *member) int {
		body := m.doWith("GET", path+"/output", "", http.Header{"Accept": {"application/x-ndjson"}}).Body.String()
		return strings.Count(body, `"styles":[{"begin":`)
	}
	for _, m := range all {
		if got := styles(m); got != 4000 {
			t.Errorf("%d lines have styles, want 4000", got)
		}
	}
	await("the output after the end", func() bool { return isWhole(left) })
	silent := f.drop(has.ReplicaID())
	await("the output in the store", func() bool { return isWhole(left) })
	_, _ = f.Answer(has.ReplicaID(), silent)
	has.kill()
	come := f.join(yaml)
	for _, m := range []*member{left, come} {
		await("the output after the death", func() bool { return isWhole(m) && styles(m) == 4000 })
		w := m.doWith("GET", path+"/output", "", http.Header{"Range": {"bytes=1000-1999"}})
		if w.Code != 206 || w.Body.String() != want[1000:2000] {
			t.Errorf("a range = %d %s", w.Code, w.Body)
		}
	}
	left.leave()
	come.leave()
}
