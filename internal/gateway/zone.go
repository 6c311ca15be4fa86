package gateway

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/replica"
)

// zoneOf identifies the local time zone if anything in a configuration follows that: a timetable or a quiet time without a
// zone of its own. Otherwise it is empty.
func zoneOf(cfg *config.Config, local *time.Location) string {
	follows := false
	for _, j := range cfg.Jobs {
		follows = follows || isLocal(j.At)
	}
	for _, q := range cfg.Quiet {
		follows = follows || isLocal(q.At)
	}
	if !follows {
		return ""
	}
	return zoneID(cmp.Or(local, time.Local))
}

// isLocal reports whether a timetable follows the local time zone. An interval follows none.
func isLocal(at *config.At) bool {
	return at != nil && at.Zone == time.Local && !strings.HasPrefix(at.Cron, "@every")
}

// zoneID identifies a time zone by what its clocks show, for which a host may have another name, or none: what it is called
// in January, for people, and a hash of its changes.
func zoneID(zone *time.Location) string {
	from, until := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2038, 1, 1, 0, 0, 0, 0, time.UTC)
	h := sha256.New()
	before := -1
	for at := from.In(zone); at.Before(until); {
		if _, offset := at.Zone(); offset != before {
			fmt.Fprintln(h, at.Unix(), offset)
			before = offset
		}
		_, end := at.ZoneBounds()
		if end.IsZero() {
			break
		}
		at = end
	}
	name, _ := time.Date(2026, 1, 1, 0, 0, 0, 0, zone).Zone()
	return name + " " + hex.EncodeToString(h.Sum(nil))[:8]
}

// configured says which configuration is at work.
func (g *gateway) configured(cfg *config.Config, files *config.Files) {
	g.replica.Configure(configID(cfg, files), zoneOf(cfg, g.zone))
}

// sayZones has the log say, once of each, which replicas have another local time zone.
func (g *gateway) sayZones() {
	self, _ := g.replica.Self()
	said := map[string]bool{}
	for _, m := range g.replica.Members() {
		if !m.HasOtherZone(&self) || m.Config != self.Config {
			continue
		}
		said[m.ID] = true
		if !g.zonesSaid[m.ID] {
			g.log.Error("another replica has another local time zone, and timetables without zone: they do not take work from each other. "+
				"Give each timetable its zone, or the hosts the same", "replica", m.Name, "zone", nameOfZone(m), "own", nameOfZone(self))
		}
	}
	g.zonesSaid = said
}

// nameOfZone is what the zone of a replica is called.
func nameOfZone(m replica.Member) string {
	name, _, _ := strings.Cut(m.Zone, " ")
	return name
}
