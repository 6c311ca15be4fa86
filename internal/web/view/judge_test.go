package view_test

import (
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A row of a job says why its newest run failed in the words of what has failed, and, while another run is at work, why the alert fires.
func TestWhyAJobFailed(t *testing.T) {
	failed := wire.Run{ID: "1", Job: "backup", Status: progress.StatusFailed, Error: new("exit status 3")}
	printed, told, same, late := failed, failed, failed, failed
	printed.Output, printed.Message = "copied 4 of 8\nNo space left on device\n\n", "copied 4 of 8"
	told.Message = "segment 36 of 60"
	same.Error, same.Output = new("exit status 3: No space left"), "No space left\n"
	late.Status, late.Error, late.Output = progress.StatusTimedOut, new("took longer than 1 min"), "copied 4 of 8\n"
	fires := &wire.Alert{State: wire.AlertFiring, Reason: wire.ReasonFailed}
	for _, tt := range []struct {
		of    string
		run   wire.Run
		alert *wire.Alert
		want  string
	}{
		{"that printed why", printed, fires, "Exit status 3: No space left on device"},
		{"that reported how far it came", told, fires, "Exit status 3: segment 36 of 60"},
		{"that said nothing", failed, fires, "Exit status 3"},
		{"whose error has what it printed", same, fires, "Exit status 3: No space left"},
		{"that timed out", late, fires, "Took longer than 1 min"},
		{"that is at work after one that failed", wire.Run{Status: progress.StatusRunning}, fires, "A run has failed"},
	} {
		row := view.Look{Now: time.Now()}.JobRow(wire.JobObject{Name: "backup", LastRun: &tt.run, Alert: tt.alert})
		if row.Line != tt.want {
			t.Errorf("of a run %s it says %q, want %q", tt.of, row.Line, tt.want)
		}
	}
}

// News name the cause first, and how long a run took in words.
func TestNewsInWords(t *testing.T) {
	news := view.Look{Now: time.Now()}.Recent([]wire.Event{
		{ID: "2", Kind: "state", Text: "stale: GET http://10.0.0.9:8080/tank: 503 Service Unavailable", Time: time.Now(), Data: []byte(`{"state":"stale"}`)},
		{ID: "1", Kind: "run", Text: "failed after 1.009s", Time: time.Now(), Data: []byte(`{"status":"failed","seconds":1.009}`)},
	})
	if news[0].Text != "stale: 503 Service Unavailable" || news[1].Text != "failed after 1 s" || news[0].Ago != "1 s" {
		t.Errorf("the news are %+v", news)
	}
}

// Who has not signed in is somebody.
func TestWhoHasAcknowledged(t *testing.T) {
	alert := &wire.Alert{State: wire.AlertFiring, Acknowledged: &wire.Acknowledged{By: "anonymous"}}
	v := view.Look{Now: time.Now()}.Verdict([]wire.Source{{Key: "source/a", Name: "a", State: "ok", Alert: alert}}, nil)
	if v.Rows[0].By != "somebody" {
		t.Errorf("seen by %s", v.Rows[0].By)
	}
}
