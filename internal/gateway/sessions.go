package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/snapshot"
)

// The records of sessions, by what begins their keys before the hash of the session. Use has a record of its own: replaced
// with it, a session could come back that another replica has ended at the same moment.
const (
	sessionKey = "session/"
	usedKey    = "used/"
	// sessionFor is longer than any session lasts.
	sessionFor = 8 * 24 * time.Hour

	accessPrefix = "access/"
	sealKey      = "key" // seals what browsers keep while people are at their provider
	sealSize     = 32
	sealFor      = 365 * 24 * time.Hour // the key is another one then
	sealAgain    = 100 * time.Millisecond
	// findWithin bounds the wait for what other replicas have written.
	findWithin = time.Second
)

// sharedSessions keeps sessions where all replicas read them, see [access.SharedSessions].
type sharedSessions struct {
	g       *gateway
	records *replica.Records
}

// A keptSession is the record of a session. Times are those of the wall clock.
type keptSession struct {
	Begun time.Time `json:"begun"`
	Used  time.Time `json:"used"` // when it was kept
	Data  []byte    `json:"data"`
}

// shareSessions has people who have signed in at one replica be signed in at all.
func (g *gateway) shareSessions(ctx context.Context) error {
	s := &sharedSessions{g: g}
	var err error
	s.records, err = replica.OpenRecords(ctx, replica.RecordsOptions{
		Store: g.store, Prefix: accessPrefix, Log: g.log, Told: s.told, Check: s.check, Mine: g.replica.Mine,
		Retain: func(key string, _ []byte) time.Duration {
			if key == sealKey {
				return sealFor
			}
			return sessionFor
		},
	})
	if err != nil {
		return err
	}
	g.sessions = s
	key, err := g.sharedKey(ctx)
	if err != nil {
		return err
	}
	g.guard.Seal(key)
	if err := g.guard.KeepSessions(ctx, s); err != nil {
		return err
	}
	s.records.Tell(ctx)
	return nil
}

// check returns why a record is none of a session, of its use, or of the key.
func (s *sharedSessions) check(key string, record []byte) error {
	if key == sealKey {
		if len(record) != sealSize {
			return fmt.Errorf("a key of %d bytes, want %d", len(record), sealSize)
		}
		return nil
	}
	if _, ok := idOf(key, usedKey); ok {
		return json.Unmarshal(record, new(time.Time))
	}
	if _, ok := idOf(key, sessionKey); !ok {
		return errors.New("it is no record of a session")
	}
	var kept keptSession
	if err := json.Unmarshal(record, &kept); err != nil {
		return err
	}
	if kept.Begun.IsZero() || len(kept.Data) == 0 {
		return errors.New("a session without a beginning or without data")
	}
	return nil
}

// told is told of a record.
func (s *sharedSessions) told(key string, record []byte) {
	if id, ok := idOf(key, sessionKey); ok {
		begun, used, data := s.read(record)
		s.g.guard.HeardSession(id, begun, used, data)
	} else if id, ok := idOf(key, usedKey); ok && record != nil {
		s.g.guard.HeardUse(id, s.used(record))
	} else if key == sealKey && len(record) == sealSize { // the stream is another one, and who came first has made another key
		s.g.guard.Seal([sealSize]byte(record))
	}
}

// sharedKey returns the key with which all replicas seal the sign-ins of people that are at their provider. The first one
// makes it, and who finds something else in its place.
func (g *gateway) sharedKey(ctx context.Context) (key [sealSize]byte, err error) {
	for keep := true; ; {
		claim, entry, err := snapshot.ClaimOrAdopt(ctx, g.store, accessPrefix+sealKey, snapshot.ClaimOptions{KeepFinal: keep})
		switch {
		case err != nil:
			return key, err
		case claim != nil:
			_, _ = rand.Read(key[:]) // never fails
			return key, claim.Finish(ctx, key[:], sealFor)
		case entry.State == snapshot.Final && len(entry.Data) == len(key):
			return [sealSize]byte(entry.Data), nil
		case entry.State == snapshot.Final: // the log says so: see check
			keep = false
			continue
		}
		select {
		case <-time.After(sealAgain):
		case <-ctx.Done():
			return key, context.Cause(ctx)
		}
	}
}

// idOf returns the hash of a session in the key of its record.
func idOf(key, prefix string) (id [sha256.Size]byte, ok bool) {
	text, ok := strings.CutPrefix(key, prefix)
	hash, err := hex.DecodeString(text)
	if !ok || err != nil || len(hash) != sha256.Size {
		return id, false
	}
	return [sha256.Size]byte(hash), true
}

func keyOf(prefix string, id [sha256.Size]byte) string { return prefix + hex.EncodeToString(id[:]) }

// read returns the session of a record, with data nil if there is none.
func (s *sharedSessions) read(record []byte) (begun, used time.Time, data []byte) {
	if record == nil {
		return begun, used, nil
	}
	var kept keptSession
	_ = json.Unmarshal(record, &kept) // it was checked
	return s.monotonic(kept.Begun), s.monotonic(kept.Used), kept.Data
}

// used returns when a session was used by the record of that.
func (s *sharedSessions) used(record []byte) time.Time {
	var at time.Time
	_ = json.Unmarshal(record, &at) // it was checked
	return s.monotonic(at)
}

// monotonic returns the reading of the monotonic clock at a time of the wall clock, now if that is in the future.
func (s *sharedSessions) monotonic(at time.Time) time.Time {
	return time.Now().Add(-max(0, s.g.clock.Wall().Sub(at)))
}

// wall returns the time of the wall clock at a reading of the monotonic one.
func (s *sharedSessions) wall(at time.Time) time.Time {
	return s.g.clock.Wall().Add(time.Until(at)).UTC()
}

// Each implements [access.Sessions].
func (s *sharedSessions) Each(ctx context.Context, f func(id [sha256.Size]byte, begun, used time.Time, data []byte)) error {
	return s.records.Each(ctx, func(key string, record []byte) {
		if id, ok := idOf(key, sessionKey); ok {
			begun, used, data := s.read(record)
			f(id, begun, s.lastUse(id, used), data)
		}
	})
}

// lastUse returns when a session was used last, of which its own record says used.
func (s *sharedSessions) lastUse(id [sha256.Size]byte, used time.Time) time.Time {
	if record := s.records.Left(keyOf(usedKey, id)); record != nil {
		if at := s.used(record); at.After(used) {
			return at
		}
	}
	return used
}

// Keep implements [access.Sessions].
func (s *sharedSessions) Keep(id [sha256.Size]byte, begun, used time.Time, data []byte) {
	record, _ := json.Marshal(keptSession{Begun: s.wall(begun), Used: s.wall(used), Data: data}) // times and bytes encode
	s.records.Keep(keyOf(sessionKey, id), record, true)
}

// Use implements [access.Sessions].
func (s *sharedSessions) Use(id [sha256.Size]byte, used time.Time) {
	record, _ := json.Marshal(s.wall(used)) // a time encodes
	s.records.Keep(keyOf(usedKey, id), record, true)
}

// End implements [access.Sessions].
func (s *sharedSessions) End(ids ...[sha256.Size]byte) {
	for _, id := range ids {
		s.records.Keep(keyOf(sessionKey, id), nil, true)
		s.records.Keep(keyOf(usedKey, id), nil, true)
	}
	_ = s.records.Kept(context.Background()) // otherwise it is done as soon as the store works
}

// Stored implements [access.SharedSessions].
func (s *sharedSessions) Stored(ctx context.Context) {
	_ = s.records.Kept(ctx) // otherwise other replicas know of it a little later
}

// Find implements [access.SharedSessions]. Whoever has a cookie of nothing waits as others do that look at the same time:
// the store is asked once for all.
func (s *sharedSessions) Find(ctx context.Context, id [sha256.Size]byte) (begun, used time.Time, data []byte, ok bool) {
	if s.g.storeError() != nil {
		return begun, used, nil, false
	}
	ctx, done := context.WithTimeout(ctx, findWithin)
	defer done()
	if s.g.store.Sync(ctx) != nil {
		return begun, used, nil, false
	}
	begun, used, data = s.read(s.records.Left(keyOf(sessionKey, id)))
	return begun, s.lastUse(id, used), data, data != nil
}
