package access_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/access"
)

// shelf keeps sessions in memory that survive a guard.
type shelf struct {
	kept map[[sha256.Size]byte]kept
	uses int
	err  error
}

type kept struct {
	begun, used time.Time
	data        string
}

func (s *shelf) Each(_ context.Context, f func(id [sha256.Size]byte, begun, used time.Time, data []byte)) error {
	for id, k := range maps.Clone(s.kept) {
		f(id, k.begun, k.used, []byte(k.data))
	}
	return s.err
}

func (s *shelf) Keep(id [sha256.Size]byte, begun, used time.Time, data []byte) {
	s.kept[id] = kept{begun, used, string(data)}
}

func (s *shelf) Use(id [sha256.Size]byte, used time.Time) {
	s.uses++
	if k, ok := s.kept[id]; ok {
		k.used = used
		s.kept[id] = k
	}
}

func (s *shelf) End(ids ...[sha256.Size]byte) {
	for _, id := range ids {
		delete(s.kept, id)
	}
}

// restarted is another process with the same store.
func (s *site) restarted(on *shelf) *site {
	s.t.Helper()
	next := newSite(s.t)
	next.cfg.Access = s.cfg.Access
	if err := next.KeepSessions(s.t.Context(), on); err != nil {
		s.t.Fatal(err)
	}
	return next
}

func TestSessionsOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &shelf{kept: map[[sha256.Size]byte]kept{}}
		s := newSite(t).restarted(on)
		stays, leaves, idle := s.signIn("viewer-secret"), s.signIn("operator-secret"), s.signIn("viewer-secret")
		s.SignOut(httptest.NewRecorder(), with(leaves))
		time.Sleep(30 * time.Second)
		s.who(with(stays))
		if on.uses != 0 {
			t.Errorf("a use within a minute was stored %d times, want none", on.uses)
		}
		time.Sleep(7 * time.Hour)
		for range 100 {
			s.who(with(stays))
		}
		if on.uses != 1 {
			t.Errorf("100 uses at once were stored %d times, want once", on.uses)
		}
		for id, k := range on.kept {
			if id == sha256.Sum256(nil) || strings.Contains(k.data, "secret") || strings.Contains(k.data, stays.Value) {
				t.Errorf("a session is kept as %s, want neither its id nor its token", k.data)
			}
		}
		time.Sleep(7 * time.Hour)
		s = s.restarted(on)
		if got, want := s.who(with(stays))+" "+s.who(with(leaves))+" "+s.who(with(idle)), "viewer/viewer / /"; got != want {
			t.Errorf("after a restart: %q, want %q", got, want)
		}
		if len(on.kept) != 1 {
			t.Errorf("%d sessions are kept, want the one that is not over", len(on.kept))
		}
		for range 6 * 24 / 11 {
			time.Sleep(11 * time.Hour)
			s = s.restarted(on)
			s.who(with(stays))
		}
		time.Sleep(11 * time.Hour)
		time.Sleep(11 * time.Hour)
		if s = s.restarted(on); s.who(with(stays)) != "/" || len(on.kept) != 0 {
			t.Error("a session outlives its time by restarts")
		}
		// Whose token is gone has no rights, whatever is kept.
		last := s.signIn("viewer-secret")
		s.cfg.Access.Tokens = s.cfg.Access.Tokens[1:]
		if got := s.restarted(on).who(with(last)); got != "/" {
			t.Errorf("the session of a token that is gone is %s after a restart, want nobody", got)
		}
	})
}

func TestSessionsThatAreDisplacedAreNotKept(t *testing.T) {
	on := &shelf{kept: map[[sha256.Size]byte]kept{}}
	s := newSite(t).restarted(on)
	for range access.MaxOwnSessions + 5 {
		s.signIn("viewer-secret")
	}
	if len(on.kept) != access.MaxOwnSessions {
		t.Errorf("%d sessions are kept, want %d", len(on.kept), access.MaxOwnSessions)
	}
	on.kept[sha256.Sum256(nil)] = kept{begun: time.Now(), used: time.Now(), data: `{"name":"eve"}`}
	s = s.restarted(on)
	if all, owners := s.Guard.Sessions(); all != access.MaxOwnSessions || owners != 1 || len(on.kept) != all {
		t.Errorf("%d sessions of %d owners after a restart, %d kept, want %d of one, without what is nobody's",
			all, owners, len(on.kept), access.MaxOwnSessions)
	}
	on.err = errors.New("the disk is gone")
	if err := newSite(t).KeepSessions(t.Context(), on); !errors.Is(err, on.err) {
		t.Errorf("KeepSessions = %v, want %v", err, on.err)
	}
}
