package store_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/store"
	"github.com/tidewire/tidewire/snapshot"
)

// After a disk that failed for very long, so that records were dropped, the database has all that memory knows.
func TestWhatWasDroppedIsMadeUpFor(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	now(t, d, table)
	claim, _, err := d.Snapshots().Claim(t.Context(), "source/a", snapshot.ClaimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.Alerts().Keep("old", []byte("1"), true)
	d.Alerts().Keep("a", []byte("1"), true)
	now(t, d)
	release := d.Block()
	for range store.MaxWaiting {
		d.Soon("INSERT INTO test (v) VALUES ('x')")
	}
	d.Alerts().Keep("old", nil, true)
	d.Alerts().Keep("a", []byte("2"), true)
	d.Events().Add(archive.Event{ID: 7, At: time.Now(), Kind: "state", Source: "a", Data: []byte("{}")})
	d.Runs().Print("r", 0, []byte("text\n"), 1000)
	_ = d.Runs().Sweep(t.Context())
	claim.Put([]byte("new"))
	time.Sleep(1200 * time.Millisecond) // it is written within a second
	if d.Dropped() < 5 {
		t.Fatalf("%d were dropped, want more", d.Dropped())
	}
	release()
	for query, want := range map[string]int{
		"SELECT count(*) FROM alert WHERE key='a' AND data=CAST('2' AS BLOB)": 1,
		"SELECT count(*) FROM alert":                                          1,
		"SELECT count(*) FROM event WHERE id=7":                               1,
		"SELECT count(*) FROM run_output WHERE run='r'":                       1,
		"SELECT count(*) FROM snapshot WHERE data=CAST('new' AS BLOB)":        1,
	} {
		until(t, fmt.Sprint(query, " is ", want), func() bool { return count(t, d, query) == want })
	}
	for _, id := range []string{"a", "b"} { // the output of a goes with it
		d.Runs().Print(id, 0, []byte("text\n"), 1000)
		run := archive.Run{ID: id, Job: "j", Finished: time.Now(), Expires: time.Now().Add(time.Hour)}
		if err := d.Runs().Add(t.Context(), run, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // for they end one after the other
	}
	until(t, "the output of a is removed", func() bool { return count(t, d, "SELECT count(*) FROM run_output WHERE run='a'") == 0 })
	closeDir(t, d)
	if got, want := records(t, open(t, path)), map[string]string{"a": "2"}; !maps.Equal(got, want) {
		t.Errorf("after a restart the records of alerts are %v, want %v", got, want)
	}
}
