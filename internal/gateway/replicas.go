package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/lifecycle"
	"github.com/tidewire/tidewire/internal/replica"
)

// leaveWithin bounds the time for handing sources over to other replicas at a stop.
const leaveWithin = 5 * time.Second

// A sharing is what a gateway has beside what a process alone has. It is zero if no other process shares the store.
type sharing struct {
	replica  *replica.Replica // this process among the others; nil: there are none
	records  *replica.Records // of alerts and silences
	sessions *sharedSessions  // those of all replicas
	outputs  *replica.Runs    // is the archive of runs, with what was printed at other replicas
	watched  *watched         // tells the others which sources are watched here
	telling  *sharedEvents    // tells the others of events
	large    largeQuestions   // that are fetched

	unanswer   func()             // ends the answers to other replicas
	copying    *lifecycle.Service // completes the past by that of other replicas
	tells      *lifecycle.Service // has telling do so
	seeing     *lifecycle.Service // tells people of the replicas
	tidying    *lifecycle.Service // removes what is left of sources and jobs that no replica has
	storeFault string             // why the store fails, as seeing has seen last
	zonesSaid  map[string]bool    // of which replicas the log says that their zone is another one; of [gateway.see]
	zone       *time.Location     // the local one; nil: that of the program
}

// openReplica makes this process one of those that share its store.
func (g *gateway) openReplica(live context.Context, name string, opts Options) (err error) {
	g.zone, g.large = opts.zone, newLargeQuestions()
	g.replica, err = replica.Open(live, replica.Deps{
		Store: g.store, Asking: opts.asking, Log: g.log, Name: name, Version: version(), Format: opts.format,
	})
	if err == nil && opts.joining != nil {
		opts.joining(g.replica)
	}
	if err == nil {
		g.outputs, err = replica.OpenRuns(live, replica.RunsOptions{
			Runs: g.runs, Replica: g.replica, Store: g.store, Log: g.log, Recorded: jobs.OutputTail,
		})
	}
	if err == nil {
		g.runs = g.outputs
	}
	return err
}

// join makes this process one of the replicas, if there may be others, with a configuration whose files are identified by id,
// and returns that with the sources that are derived from it.
func (g *gateway) join(live context.Context, cfg *config.Config, id string) (_ *config.Config, err error) {
	if g.replica != nil {
		if err = g.replica.Join(live, id, zoneOf(cfg, g.zone)); err != nil {
			return nil, err
		}
	}
	if g.derived, err = openDerived(live, g.replica, g.store, cfg); err != nil {
		return nil, err
	}
	return g.derived.expand(cfg, id), nil
}

// mine returns what tells which units this process should work on, nil for all.
func (g *gateway) mine() func(unit string) bool {
	if g.replica == nil {
		return nil
	}
	return g.replica.Mine
}

// configID identifies a configuration among those of the replicas: by what its files say, or else by what it names.
func configID(cfg *config.Config, files *config.Files) string {
	h := sha256.New()
	if files != nil {
		sum := files.Sum()
		h.Write(sum[:])
	} else {
		for _, s := range cfg.Sources {
			h.Write([]byte("source/" + s.Name + "\n"))
		}
		for _, j := range cfg.Jobs {
			h.Write([]byte("job/" + j.Name + "\n"))
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// leave has the other replicas take over what this one does.
func (g *gateway) leave(live context.Context) {
	if g.replica == nil {
		return
	}
	ctx, done := context.WithTimeout(live, leaveWithin)
	defer done()
	g.replica.Leave(ctx)
	if err := errors.Join(g.sources.GiveUp(ctx), g.jobs.GiveUp(ctx)); err != nil {
		g.log.Warn("sources and jobs of this replica were not given up in time", "err", err)
	}
}

// resumeShared takes up the records that the replicas share.
func (g *gateway) resumeShared(ctx context.Context) (err error) {
	g.records, err = replica.OpenRecords(ctx, replica.RecordsOptions{
		Store: g.store, Prefix: "alert/", Log: g.log, Told: g.alerts.Heard, Check: alert.CheckRecord, Mine: g.replica.Mine,
		Retain: func(key string, data []byte) time.Duration {
			until, ok := alert.SilenceUntil(key, data)
			if !ok {
				return 0
			}
			return max(time.Second, until.Sub(g.clock.Wall()))
		},
	})
	if err == nil {
		err = g.alerts.Restore(ctx, g.records)
	}
	if err == nil {
		g.records.Tell(ctx)
	}
	return err
}

// beginSharing has this replica do its part from now on, and answer the others.
func (g *gateway) beginSharing(ctx context.Context) (err error) {
	if g.replica == nil {
		return nil
	}
	g.replica.OnChange(g.sources.Moved)
	g.replica.OnChange(g.jobs.Moved)
	g.replica.OnChange(g.watched.moved)
	g.replica.OnChange(g.records.Moved)
	g.replica.OnChange(g.sessions.records.Moved)
	g.watched.begin(ctx)
	g.sources.Moved() // others may have come since
	g.beginSeeing(ctx)
	g.unanswer, err = g.replica.Answer(g.answer)
	g.copying = lifecycle.Loop(ctx, g.copyPast)
	g.tells = lifecycle.Loop(ctx, g.telling.run)
	g.tidying = lifecycle.Loop(ctx, g.tidy)
	return err
}

// endSharing ends what the replicas share, when everything else has ended.
func (g *gateway) endSharing() {
	if g.replica == nil {
		return
	}
	g.unanswer()
	_ = g.copying.Stop()
	_ = g.tells.Stop()
	_ = g.tidying.Stop()
	ctx, done := context.WithTimeout(context.Background(), tellAgain)
	defer done()
	g.telling.tellAll(ctx)
	_ = g.seeing.Stop()
	g.outputs.Close()
	g.records.Close()
	g.sessions.records.Close()
	g.watched.close()
	g.derived.close()
	g.replica.Close()
}
