package gateway

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/replica"
)

// Each replica has the past of all sources in memory: of those that others poll, what these store. One that begins copies
// from the others what was before, and completes its own by that. How polls went only the replica knows that made them, and
// is asked.

// mostCopied is how many sources are copied at once.
const mostCopied = 4

// sharedSamples are the samples of sources, whichever replica polls them.
type sharedSamples struct {
	archive.Samples
	g *gateway
}

// Polls returns the newest polls of a source by any replica. It fails if the one that polls it now is not reached.
func (s sharedSamples) Polls(ctx context.Context, source string) ([]archive.Poll, error) {
	all, err := s.Samples.Polls(ctx, source)
	cfg := s.g.sources.Definition(source)
	if s.g.replica == nil || err != nil || cfg == nil {
		return all, err
	}
	owner := s.g.pollerOf(cfg)
	isKnown := owner == s.g.replica.ID() // what the owner has
	for _, a := range s.g.askEach(ctx, question{Op: toPolls, Source: source}, "") {
		if all = append(all, a.Polls...); a.of == owner {
			isKnown, err = true, a.err
		}
	}
	if !isKnown {
		err = replica.ErrNoReplica
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b archive.Poll) int { return b.At.Compare(a.At) })
	return all[:min(len(all), archive.MaxPolls)], nil
}

// copyOf returns what this process has of the past of a source.
func (g *gateway) copyOf(source string) []byte {
	var c archive.Copy
	if samples, ok := g.past.samples.(*archive.MemorySamples); ok {
		samples.CopyTo(source, &c)
	}
	if spans, ok := g.past.spans.(*archive.MemorySpans); ok {
		spans.CopyTo(source, &c)
	}
	return c.Encode()
}

// older returns the other replicas that have begun before this one, or with it, the oldest first.
func (g *gateway) older() []replica.Member {
	all := g.replica.Members()
	self := slices.IndexFunc(all, func(m replica.Member) bool { return m.ID == g.replica.ID() })
	if self < 0 {
		return nil
	}
	since := all[self].Since
	all = slices.DeleteFunc(all, func(m replica.Member) bool { return m.ID == g.replica.ID() || m.Since.After(since) })
	slices.SortFunc(all, func(a, b replica.Member) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return all
}

// copyPast completes the past of all sources by that of the oldest replica that answers.
func (g *gateway) copyPast(ctx context.Context) {
	for _, from := range g.older() {
		if g.copyFrom(ctx, from) {
			g.log.Info("the past of sources was copied from another replica", "replica", from.Name)
			return
		}
	}
}

// copyFrom is copyPast from one replica. It reports whether that has answered.
func (g *gateway) copyFrom(ctx context.Context, from replica.Member) bool {
	samples, _ := g.past.samples.(*archive.MemorySamples)
	spans, _ := g.past.spans.(*archive.MemorySpans)
	if samples == nil || spans == nil {
		return false
	}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var copying sync.WaitGroup
	slots := make(chan struct{}, mostCopied)
	for _, s := range g.cfg.Load().Sources {
		slots <- struct{}{}
		copying.Go(func() {
			defer func() { <-slots }()
			if asking.Err() != nil {
				return
			}
			a, err := g.ask(asking, from.ID, question{Op: toPast, Source: s.Name})
			if err != nil {
				stop() // the next one is asked for all: what is there already is not copied again
				return
			}
			if c, err := archive.DecodeCopy(a.Past); err == nil {
				samples.Complete(s.Name, c)
				spans.Complete(s.Name, c)
			}
		})
	}
	copying.Wait()
	return asking.Err() == nil
}
