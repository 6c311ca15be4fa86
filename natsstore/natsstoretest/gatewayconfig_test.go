package natsstoretest_test

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// gatewayAt is the interval of sources.
const gatewayAt = time.Second

// configuration returns that of the gateways, and puts what is in it into the log.
func (f *chaosFleet) configuration(t *testing.T) string {
	script := filepath.Join(f.dir, "command.sh")
	if err := os.WriteFile(script, []byte(commandScript), 0o600); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nstore: {nats: {url: \"${env:NATS_URL}\", prefix: %s, replicas: 3, name: \"${env:REPLICA}\"}}\n", f.prefix)
	fmt.Fprintf(&b, "defaults: {every: %v, jitter: 0, backoff: {min: 500ms, max: 1s}}\n", gatewayAt)
	fmt.Fprintf(&b, "notify: {told: {http: \"%s/told\", group_wait: 1ms}}\nupstreams:\n", f.backend.http.URL)
	for i := range 18 {
		fmt.Fprintf(&b, "  u%d: {http: %q, headers: {X-Replica: \"${env:REPLICA}\"}}\n", i, f.backend.http.URL)
	}
	b.WriteString("sources:\n")
	for _, name := range f.sources() {
		i, _ := strconv.Atoi(name[1:])
		upstream, alert := i%12, ""
		if name[0] == 'a' {
			upstream, alert = 12+i, fmt.Sprintf(", alert: {if: . >= %d, notify: told}", fires)
			f.log.add(record{What: hasAlert, Name: name})
		}
		fmt.Fprintf(&b, "  %s: {http: {upstream: u%d, path: /source/%s}%s}\n", name, upstream, name, alert)
		f.log.add(record{What: hasSource, Name: name, For: gatewayAt})
	}
	f.writeJobs(&b, script)
	return b.String()
}

// writeJobs writes the jobs of the configuration: an HTTP job begins with h, one that a timetable starts with t, one of a group
// with g.
func (f *chaosFleet) writeJobs(b *strings.Builder, script string) {
	b.WriteString("jobs:\n")
	_, port, _ := strings.Cut(f.backend.exec.Addr().String(), ":")
	const keep = "keep: {runs: 40}"
	command := fmt.Sprintf("exec: [bash, %q, %q], env: {REPLICA: \"${env:REPLICA}\", N: ", script, port)
	job := func(name, more string) {
		f.withArg[name] = strings.Contains(more, "{n}") || strings.Contains(more, "http:")
		args := ""
		if f.withArg[name] {
			args = `, args: {n: {default: ""}}`
		}
		fmt.Fprintf(b, "  %s: {%s%s, %s}\n", name, more, args, keep)
		period := time.Duration(0)
		if strings.Contains(more, "at:") {
			period = time.Minute
		}
		group := ""
		if _, after, ok := strings.Cut(more, "group: "); ok {
			group = after
		}
		f.log.add(record{What: hasJob, Name: name, For: period, Text: group})
	}
	for i := range 18 {
		job(fmt.Sprintf("h%d", i), fmt.Sprintf("http: {upstream: u%d, path: /job/h%d}, on_busy: queue, queue: 100", i%12, i))
	}
	for i := range 12 {
		job(fmt.Sprintf("e%d", i), command+`"{n}"}, on_busy: queue, queue: 100`)
	}
	for i := range 8 {
		job(fmt.Sprintf("g%d", i), command+fmt.Sprintf(`"{n}"}, on_busy: queue, queue: 100, group: all%d`, i%2))
	}
	for i := range 4 {
		job(fmt.Sprintf("j%d", i), command+`""}`)
		job(fmt.Sprintf("r%d", i), command+`"{n}"}, on_busy: reject`)
	}
	for i := range 2 {
		job(fmt.Sprintf("p%d", i), command+`"{n}"}, on_busy: replace`)
		job(fmt.Sprintf("l%d", i), command+`"{n}"}, on_busy: queue, limit: 10/m`)
	}
	for i := range 10 {
		job(fmt.Sprintf("t%d", i), command+`""}, on_busy: queue, queue: 100, at: {cron: "* * * * *", zone: UTC}`)
	}
}

// sources returns the names of the sources: those that begin with a have alerts.
func (f *chaosFleet) sources() (all []string) {
	for i := range 24 {
		all = append(all, fmt.Sprintf("s%d", i))
	}
	for i := range 6 {
		all = append(all, fmt.Sprintf("a%d", i))
	}
	return all
}

// instantsOf puts the instant into the log of each run that a timetable starts.
func (f *chaosFleet) instantsOf() func(job, run string) {
	first := time.Now().UTC().Truncate(time.Minute)
	var mu sync.Mutex
	known := map[string]time.Time{}
	return func(job, run string) {
		if job[0] != 't' {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for until := time.Now().Add(3 * time.Minute); len(known) == 0 || first.Before(until); first = first.Add(time.Minute) {
			for i := range 10 {
				name := fmt.Sprintf("t%d", i)
				known[scheduledRun(name, first)] = first
			}
		}
		if at, ok := known[run]; ok {
			f.log.add(record{What: isInstant, Name: job, Run: run, Wall: &at})
		}
	}
}

// scheduledRun returns the id of the run that an instant of a timetable starts.
func scheduledRun(job string, at time.Time) string {
	sum := sha256.Sum256([]byte(job + "\x00" + strconv.FormatInt(at.UnixMilli(), 10)))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:26]
}
