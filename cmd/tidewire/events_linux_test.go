package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// What a gateway that is killed has told of is there in the next one, which says since when it was away, and that the run in
// progress is lost, once.
func TestEventsOutliveAKill(t *testing.T) {
	t.Parallel()
	config := file(t, fmt.Sprintf("version: 1\nstore: {dir: %q}\njobs: {work: {exec: [sleep, 600]}, quick: {exec: ['true']}}\n", t.TempDir()))
	p := service(t, nil, config)
	resp, err := http.Post(p.url+"/api/v1/jobs/work/runs", "application/json", strings.NewReader("{}"))
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("the start is answered %v, %v", resp, err)
	}
	location := resp.Header.Get("Location")
	resp.Body.Close()
	// The end of a run is on disk when it is told, and so is what happened before.
	if code, _, stderr := tidewire(t, "run", "--url", p.url, "quick"); code != 0 {
		t.Fatalf("run = %d %s", code, stderr)
	}
	for range 2 {
		p.signal(syscall.SIGKILL)
		_ = p.Wait()
		p = service(t, nil, config)
		resp, err := http.Get(p.url + location + "/events")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body) // until the end of the run
		resp.Body.Close()
	}
	code, shown, stderr := tidewire(t, "events", "--url", p.url)
	if code != 0 {
		t.Fatalf("events = %d %s", code, stderr)
	}
	var kinds []string
	for line := range strings.Lines(shown) {
		if words := strings.Fields(line); words[0] != "TIME" {
			kinds = append(kinds, words[2])
		}
	}
	if want := []string{"start", "run", "run", "run", "start", "run", "start"}; !slices.Equal(kinds, want) || strings.Count(shown, "lost") != 1 ||
		strings.Count(shown, "it was not stopped in order, and was away for at most") != 2 {
		t.Errorf("the events are\n%s\nwant that a run was started, and is lost once, and of two starts that the gateway was killed before", shown)
	}
}
