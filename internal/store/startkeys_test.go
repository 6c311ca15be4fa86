package store_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/store"
	"github.com/tidewire/tidewire/snapshot"
)

// keys are the Idempotency-Keys in a directory, in order, each as caller/job/key=run.
func keys(t *testing.T, d *store.Dir) (all []string) {
	t.Helper()
	err := d.StartKeys().Each(t.Context(), func(caller, job, key string, args [sha256.Size]byte, run string) {
		if args != sha256.Sum256([]byte(run)) {
			t.Errorf("the hash of the arguments of %s is another one", run)
		}
		all = append(all, fmt.Sprintf("%s/%s/%s=%s", caller, job, key, run))
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func keep(d *store.Dir, caller, job, key, run string) {
	d.StartKeys().Keep(caller, job, key, sha256.Sum256([]byte(run)), run)
}

// A key is there after a crash if the claim of its run is, and goes with the run.
func TestKeysOutliveTheProcess(t *testing.T) {
	d, crashed := open(t, t.TempDir()), t.TempDir()
	keep(d, "ann", "scan", "k", "R1")
	keep(d, "ann", "scan", "l", "R2")
	keep(d, "ann", "scan", "k", "R3") // R1 was forgotten
	if _, _, err := d.Snapshots().Claim(t.Context(), "run/R3", snapshot.ClaimOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := d.Crash(crashed); err != nil {
		t.Fatal(err)
	}
	d = open(t, crashed)
	if got, want := strings.Join(keys(t, d), " "), "ann/scan/l=R2 ann/scan/k=R3"; got != want {
		t.Errorf("the keys are %s, want %s", got, want)
	}
	for i, id := range []string{"R2", "R3"} {
		run := archive.Run{ID: id, Job: "scan", Finished: time.UnixMilli(int64(i)), Expires: time.Now().Add(time.Hour)}
		if err := d.Runs().Add(t.Context(), run, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := strings.Join(keys(t, d), " "), "ann/scan/k=R3"; got != want {
		t.Errorf("after a run was forgotten the keys are %s, want %s", got, want)
	}
}

// A caller with many keys displaces their own.
func TestKeysAreBounded(t *testing.T) {
	d := open(t, t.TempDir())
	keep(d, "bob", "scan", "k", "R")
	for i := range 1199 { // with that of bob, a multiple of what is done at once
		keep(d, "ann", "scan", fmt.Sprint(i), "R")
	}
	now(t, d)
	got := keys(t, d)
	if len(got) != 1001 || got[0] != "bob/scan/k=R" || got[1] != "ann/scan/199=R" {
		t.Errorf("there are %d keys from %v on, want that of bob and the newest 1000 of ann", len(got), got[:min(len(got), 2)])
	}
}

// A database of the first version of the schema is brought to the newest, with what it has.
func TestSchemaOfTheFirstVersion(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	d.Alerts().Keep("a", []byte("1"), true)
	closeDir(t, d)
	db, err := sql.Open("sqlite", filepath.Join(path, "tidewire.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(context.Background(), `DROP TABLE start_key; DROP TABLE source_meaning; DROP TABLE left_row;
		ALTER TABLE alert RENAME COLUMN key TO source; DROP INDEX run_finished;
		CREATE INDEX run_finished ON run (job, finished, id); PRAGMA user_version=1`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	d = open(t, path)
	keep(d, "ann", "scan", "k", "R")
	now(t, d)
	if got, want := records(t, d), map[string]string{"source/a": "1"}; len(keys(t, d)) != 1 || !maps.Equal(got, want) {
		t.Errorf("the keys are %v, want one; and the records of alerts %v, want %v", keys(t, d), got, want)
	}
}
