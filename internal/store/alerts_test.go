package store_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/store"
)

var _ alert.Store = (*store.Alerts)(nil)

// records are those of the alerts in a directory, by source.
func records(t *testing.T, d *store.Dir) map[string]string {
	t.Helper()
	all := map[string]string{}
	if err := d.Alerts().Each(t.Context(), func(source string, record []byte) { all[source] = string(record) }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRecordsOfAlerts(t *testing.T) {
	path, crashed := t.TempDir(), t.TempDir()
	d := open(t, path)
	d.Alerts().Keep("a", []byte("1"), true)
	d.Alerts().Keep("b", []byte("2"), false)
	d.Alerts().Keep("b", []byte("3"), false)
	d.Alerts().Keep("c", []byte("4"), false)
	d.Alerts().Keep("c", nil, true)
	now(t, d, "SELECT 1") // until then nothing may be written
	want := map[string]string{"a": "1", "b": "3"}
	if err := d.Crash(crashed); err != nil {
		t.Fatal(err)
	}
	closeDir(t, d)
	for when, d := range map[string]*store.Dir{"a stop": open(t, path), "a crash": open(t, crashed)} {
		if got := records(t, d); !maps.Equal(got, want) {
			t.Errorf("after %s the records are %v, want %v", when, got, want)
		}
	}
}

// A database that is made anew has the records, which are in memory, too.
func TestRecordsOfAlertsOutliveTheDatabase(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	d.Alerts().Keep("a", []byte("1"), true)
	now(t, d, "SELECT 1")
	if err := os.Remove(filepath.Join(path, "tidewire.db")); err != nil {
		t.Skip("a file in use cannot be removed here")
	}
	for late := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var n int
		_, err := os.Stat(filepath.Join(path, "tidewire.db"))
		if err == nil && d.Read().QueryRow("SELECT count(*) FROM alert").Scan(&n) == nil && n == 1 {
			break
		}
		if time.Now().After(late) {
			t.Fatal("no database with the record was made anew")
		}
	}
	closeDir(t, d)
	if got, want := records(t, open(t, path)), map[string]string{"a": "1"}; !maps.Equal(got, want) {
		t.Errorf("the records are %v, want %v", got, want)
	}
}
