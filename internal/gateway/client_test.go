package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// The client of package progress starts, joins, follows and cancels runs of the gateway as it does those of its own
// handler, and reads their snapshots as its conventional payload.
func TestProgressClient(t *testing.T) {
	script := newScript(t)
	s := start(t, script.scan())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := &progress.Client{URL: s.url + runs}
	trigger := func() *progress.Run {
		t.Helper()
		run, err := client.Start(ctx, object{"args": object{"fast": true}})
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	follow := func(run *progress.Run, each func(progress.Progress)) (last progress.Progress) {
		t.Helper()
		for snap, err := range run.Follow(ctx) {
			if err != nil {
				t.Fatalf("follow: %v", err)
			}
			last = progress.Progress{}
			if err := json.Unmarshal(snap.Data, &last); err != nil || snap.Run != run.ID || snap.Final != last.Status.Ended() {
				t.Errorf("snapshot %+v %s: %v", snap, snap.Data, err)
			}
			if each != nil {
				each(last)
			}
		}
		return last
	}

	run, p := trigger(), script.Begun()
	if joined := trigger(); joined.ID != run.ID || !joined.Coalesced || run.Coalesced {
		t.Errorf("second start: run %q (coalesced: %v), want to join %q", joined.ID, joined.Coalesced, run.ID)
	}
	p.Print("40% 12 found")
	finish := sync.OnceFunc(func() { // the snapshot with the result has the same progress
		p.Print(`::result {"found":14}`)
		p.Exit(0)
	})
	last := follow(run, func(now progress.Progress) {
		if now.Percent != nil && *now.Percent == 40 && now.Message == "12 found" {
			finish()
		}
	})
	if last.Status != progress.StatusSucceeded || string(last.Result) != `{"found":14}` || last.Error != "" {
		t.Errorf("terminal %+v, want success and the result", last)
	}

	again := trigger()
	p = script.Begun()
	for _, at := range []string{s.url + "/api/v1/runs/" + again.ID, "/api/v1/runs/" + again.ID + "/events"} {
		attached, err := client.Attach(ctx, at)
		if err != nil || attached.ID != again.ID {
			t.Fatalf("Attach(%s) = %+v, %v, want run %s", at, attached, err, again.ID)
		}
		again = attached // which is cancelled below
	}
	if again.ID == run.ID {
		t.Errorf("started after the end: the same run %q", run.ID)
	}
	for range 2 { // the second time it may be over
		if err := again.Cancel(ctx); err != nil {
			t.Errorf("Cancel = %v, want nil", err)
		}
	}
	if last := follow(again, nil); last.Status != progress.StatusCancelled {
		t.Errorf("terminal %+v, want cancelled", last)
	}
	p.Ended()
	if last := follow(run, nil); last.Status != progress.StatusSucceeded {
		t.Errorf("the first run is shown to end as %+v, want success still", last)
	}

	_, err := client.Start(ctx, object{"args": object{"subnet": "x"}})
	var status *sse.StatusError
	if !errors.As(err, &status) || status.StatusCode != 422 || !contains(err.Error(), "the arguments are not valid") {
		t.Errorf("start with bad arguments: %v, want the problem 422", err)
	}
}
