package store_test

import (
	"crypto/sha256"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/store"
)

var _ access.Sessions = (*store.Sessions)(nil)

// ages are how old the sessions of a directory are, and how long they have not been used, by the first byte of their ids.
func ages(t *testing.T, d *store.Dir) map[byte][2]time.Duration {
	t.Helper()
	all := map[byte][2]time.Duration{}
	err := d.Sessions().Each(t.Context(), func(id [sha256.Size]byte, begun, used time.Time, data []byte) {
		if string(data) != "data" {
			t.Errorf("session %x has the data %q", id, data)
		}
		all[id[0]] = [2]time.Duration{time.Since(begun).Round(time.Minute), time.Since(used).Round(time.Minute)}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wants fails unless the sessions have these ages.
func wants(t *testing.T, when string, got map[byte][2]time.Duration, want map[byte][2]time.Duration) {
	t.Helper()
	for id, w := range want {
		if got[id] != w {
			t.Errorf("%s session %d has the ages %v, want %v", when, id, got[id], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s there are %d sessions, want %d", when, len(got), len(want))
	}
}

// A bubble begins at the same time each, so the clock of the second process is set back.
func TestSessionsAgeWhateverTheClock(t *testing.T) {
	path := t.TempDir()
	one, two, three := [sha256.Size]byte{1}, [sha256.Size]byte{2}, [sha256.Size]byte{3}
	synctest.Test(t, func(t *testing.T) {
		d := open(t, path)
		now := time.Now()
		d.Sessions().Keep(one, now, now, []byte("data"))
		d.Sessions().Keep(two, now, now, []byte("data"))
		d.Sessions().Keep(three, now, now, []byte("data"))
		time.Sleep(20 * time.Minute)
		d.Sessions().Use(one, time.Now())
		d.Sessions().Use([sha256.Size]byte{4}, time.Now())
		d.Sessions().End(three)
		closeDir(t, d)
	})
	synctest.Test(t, func(t *testing.T) {
		d := open(t, path)
		wants(t, "after the clock was set back by 20 minutes", ages(t, d), map[byte][2]time.Duration{
			1: {20 * time.Minute, 0}, 2: {20 * time.Minute, 20 * time.Minute},
		})
		time.Sleep(5 * time.Minute)
		wants(t, "5 minutes later", ages(t, d), map[byte][2]time.Duration{
			1: {25 * time.Minute, 5 * time.Minute}, 2: {25 * time.Minute, 25 * time.Minute},
		})
		closeDir(t, d)
	})
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(15 * time.Minute)
		d := open(t, path)
		wants(t, "after 10 minutes without a process", ages(t, d), map[byte][2]time.Duration{
			1: {35 * time.Minute, 15 * time.Minute}, 2: {35 * time.Minute, 35 * time.Minute},
		})
		closeDir(t, d)
	})
}

// What has ended has ended, even if the process is killed at once.
func TestSessionsThatEndedDoNotComeBack(t *testing.T) {
	d, to := open(t, t.TempDir()), t.TempDir()
	id := [sha256.Size]byte{1}
	d.Sessions().Keep(id, time.Now(), time.Now(), []byte("data"))
	d.Sessions().Keep([sha256.Size]byte{2}, time.Now(), time.Now(), []byte("data"))
	d.Sessions().End(id)
	if err := d.Crash(to); err != nil {
		t.Fatal(err)
	}
	wants(t, "after a crash", ages(t, open(t, to)), map[byte][2]time.Duration{2: {0, 0}})
}
