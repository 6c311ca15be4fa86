package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/replica"
	"github.com/tidewire/tidewire/snapshot"
)

const (
	sessionKey = "session/" // begins the key of a session's record, before its hash
	sealKey    = "access/key"
	sealFor    = 365 * 24 * time.Hour // the key is another one then
	sealAgain  = 100 * time.Millisecond
	// sessionFor is longer than any session lasts.
	sessionFor = 8 * 24 * time.Hour
)

// sharedSessions keeps sessions where all replicas read them, see [access.Sessions].
type sharedSessions struct {
	records *replica.Records
	now     func() (monotonic, wall time.Time)
}

// A keptSession is the record of a session. Times are those of the wall clock.
type keptSession struct {
	Begun time.Time `json:"begun"`
	Used  time.Time `json:"used"`
	Data  []byte    `json:"data"`
}

// shareSessions has people who have signed in at one replica be signed in at all.
func (g *gateway) shareSessions(ctx context.Context) error {
	s := sharedSessions{now: func() (time.Time, time.Time) { return time.Now(), g.clock.Wall() }}
	var err error
	s.records, err = replica.OpenRecords(ctx, replica.RecordsOptions{
		Store: g.store, Prefix: "access/", Log: g.log,
		Retain: func(string, []byte) time.Duration { return sessionFor },
		Told: func(key string, data []byte) {
			if id, begun, used, about, ok := s.read(key, data); ok {
				g.guard.HeardSession(id, begun, used, about)
			}
		},
	})
	if err != nil {
		return err
	}
	g.sessions = s.records
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

// sharedKey returns the key with which all replicas seal the sign-ins of people that are at their provider. The first one
// makes it.
func (g *gateway) sharedKey(ctx context.Context) (key [32]byte, err error) {
	for {
		claim, entry, err := g.store.Claim(ctx, sealKey, snapshot.ClaimOptions{KeepFinal: true})
		if err == nil && claim == nil && entry.State == snapshot.Orphan { // whoever made it has died over it
			claim, entry, err = g.store.Claim(ctx, sealKey, snapshot.ClaimOptions{Adopt: entry.Run})
		}
		switch {
		case err != nil:
			return key, err
		case claim != nil:
			_, _ = rand.Read(key[:]) // never fails
			return key, claim.Finish(ctx, key[:], sealFor)
		case entry.State == snapshot.Final && len(entry.Data) == len(key):
			return [32]byte(entry.Data), nil
		}
		select {
		case <-time.After(sealAgain):
		case <-ctx.Done():
			return key, context.Cause(ctx)
		}
	}
}

// read returns the session of a record, with data nil if it has ended.
func (s sharedSessions) read(key string, record []byte) (id [sha256.Size]byte, begun, used time.Time, data []byte, ok bool) {
	text, ok := strings.CutPrefix(key, sessionKey)
	hash, err := hex.DecodeString(text)
	if !ok || err != nil || len(hash) != sha256.Size {
		return id, begun, used, nil, false
	}
	id = [sha256.Size]byte(hash)
	if record == nil {
		return id, begun, used, nil, true
	}
	var kept keptSession
	if json.Unmarshal(record, &kept) != nil {
		return id, begun, used, nil, false
	}
	return id, s.monotonic(kept.Begun), s.monotonic(kept.Used), kept.Data, true
}

// monotonic returns the reading of the monotonic clock at a time of the wall clock, now if that is in the future.
func (s sharedSessions) monotonic(at time.Time) time.Time {
	now, wall := s.now()
	return now.Add(-max(0, wall.Sub(at)))
}

// wall returns the time of the wall clock at a reading of the monotonic one.
func (s sharedSessions) wall(at time.Time) time.Time {
	now, wall := s.now()
	return wall.Add(at.Sub(now)).UTC()
}

// Each implements [access.Sessions].
func (s sharedSessions) Each(ctx context.Context, f func(id [sha256.Size]byte, begun, used time.Time, data []byte)) error {
	return s.records.Each(ctx, func(key string, record []byte) {
		if id, begun, used, data, ok := s.read(key, record); ok {
			f(id, begun, used, data)
		}
	})
}

// Keep implements [access.Sessions].
func (s sharedSessions) Keep(id [sha256.Size]byte, begun, used time.Time, data []byte) {
	record, _ := json.Marshal(keptSession{Begun: s.wall(begun), Used: s.wall(used), Data: data}) // times and bytes encode
	s.records.Keep(sessionKey+hex.EncodeToString(id[:]), record, true)
}

// Use implements [access.Sessions].
func (s sharedSessions) Use(id [sha256.Size]byte, used time.Time) {
	key := sessionKey + hex.EncodeToString(id[:])
	var kept keptSession
	if record := s.records.Left(key); record != nil && json.Unmarshal(record, &kept) == nil && kept.Used.Before(s.wall(used)) {
		s.Keep(id, s.monotonic(kept.Begun), used, kept.Data)
	}
}

// End implements [access.Sessions].
func (s sharedSessions) End(ids ...[sha256.Size]byte) {
	for _, id := range ids {
		s.records.Keep(sessionKey+hex.EncodeToString(id[:]), nil, true)
	}
	_ = s.records.Kept(context.Background()) // otherwise it is done as soon as the store works
}
