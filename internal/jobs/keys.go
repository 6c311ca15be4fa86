package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/idempotency"
)

// Keys keep Idempotency-Keys beyond the process, by their caller and job, with a hash of the arguments and the id of the run
// that they led to.
type Keys interface {
	// Each calls f for each key, the oldest first.
	Each(ctx context.Context, f func(caller, job, key string, args [sha256.Size]byte, run string)) error
	// Keep keeps a key. It does not block. It is stored no later than what the caller has the [snapshot.Store] store next.
	Keep(caller, job, key string, args [sha256.Size]byte, run string)
}

// restoreKeys remembers the keys that an earlier process has kept.
func (s *Service) restoreKeys(ctx context.Context) error {
	if s.deps.Keys == nil {
		return nil
	}
	if err := s.deps.Keys.Each(ctx, s.restoreKey); err != nil {
		return fmt.Errorf("read Idempotency-Keys: %w", err)
	}
	return nil
}

// restoreKey remembers a key.
func (s *Service) restoreKey(caller, job, key string, args [sha256.Size]byte, run string) {
	k := idempotency.Key[access.Identity]{Scope: job, Key: key}
	if json.Unmarshal([]byte(caller), &k.Caller) == nil {
		s.queue.keys.Restore(k, args, started{id: run})
	}
}

// restoreUnitKey remembers a key that the holder of the unit before has kept. What is not known of it is not compared.
func (s *Service) restoreUnitKey(kept unitKey) {
	k := idempotency.Key[access.Identity]{Scope: kept.Job, Key: kept.Key}
	if json.Unmarshal([]byte(kept.Caller), &k.Caller) != nil {
		return
	}
	to := started{id: kept.Run, made: new(atomic.Bool)}
	to.made.Store(kept.Made)
	if len(kept.Args) == sha256.Size {
		s.queue.keys.Restore(k, [sha256.Size]byte(kept.Args), to)
	} else {
		s.queue.keys.RestoreAny(k, to)
	}
}

// noteMade takes note that a start which follows a run has led to one that the store has. Whoever finds the end of the run before may not
// know whether it was dealt with: its key leads to that one run for good, even if nothing is kept of that. The next holder of
// the unit knows with the next change of it.
func (s *Service) noteMade(to started, j *Job, opts StartOptions, run string) {
	if opts.After == nil || to.made == nil {
		return
	}
	to.made.Store(true)
	if s.units == nil || to.unit == nil {
		return
	}
	key := unitKeyOf(j, opts, run)
	s.units.mu.Lock()
	defer s.units.mu.Unlock()
	for i, k := range to.unit.state.Keys {
		if k.is(key) {
			to.unit.state.Keys[i].Made = true
		}
	}
}

// keepKey keeps the Idempotency-Key of a start that has led to a run, if there is one, in the unit of the job. A job with
// secret arguments keeps no hash of them, as the hash of a short secret is as good as the secret: the next holder of the
// unit does not know whether they are others, and on disk, where there is no way to say so, nothing is kept.
func (s *Service) keepKey(own *unit, j *Job, opts StartOptions, run string) {
	if opts.Key == "" || s.deps.Keys == nil && s.units == nil {
		return
	}
	k, isSecret := unitKeyOf(j, opts, run), hasSecrets(j.Job)
	if s.deps.Keys != nil && !isSecret {
		s.deps.Keys.Keep(k.Caller, k.Job, k.Key, [sha256.Size]byte(k.Args), k.Run)
	}
	if isSecret {
		k.Args = nil
	}
	if s.units != nil {
		s.units.put(own, func(state *unitState) { state.keep(k) })
	}
}

// unitKeyOf is the Idempotency-Key of a start that has led to a run.
func unitKeyOf(j *Job, opts StartOptions, run string) unitKey {
	caller, _ := json.Marshal(opts.Caller) // texts encode
	args := fingerprint(opts.Args)
	return unitKey{Caller: string(caller), Job: j.Name, Key: opts.Key, Args: args[:], Run: run}
}

// fingerprint identifies bound arguments.
func fingerprint(args map[string]any) idempotency.Fingerprint {
	data, _ := json.Marshal(args) // texts, numbers and truths encode
	return idempotency.Of(data)
}
