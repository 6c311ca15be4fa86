package natsstoretest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// readings is how often the gateways are read at a moment: what changes all the time is the same in some of them.
const readings = 5

// get asks a gateway, and returns the status of the answer, 0 if there is none.
func (f *chaosFleet) get(ctx context.Context, addr, path string, answer any) int {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+path, nil)
	if err != nil {
		panic(err)
	}
	got, err := f.direct.Do(request)
	if err != nil {
		return 0
	}
	defer got.Body.Close()
	if got.StatusCode == http.StatusOK && json.NewDecoder(got.Body).Decode(answer) != nil {
		return 0
	}
	return got.StatusCode
}

// compare puts what all gateways show into the log, as long as all of them are healthy.
func (f *chaosFleet) compare(ctx context.Context) {
	moment := f.log.id()
	for n := range readings {
		var all [3]map[string]string
		var asking sync.WaitGroup // all at once: values change each second
		for place := range f.places {
			addr := f.healthy(place)
			if addr == "" {
				asking.Wait()
				return
			}
			asking.Go(func() { all[place] = f.shows(ctx, addr) })
		}
		asking.Wait()
		for place, texts := range all {
			for topic, text := range texts {
				f.log.add(record{What: isState, ID: moment, N: uint64(n + 1), By: placeName(place), Name: topic, Text: text})
			}
		}
		if !wait(ctx, 300*time.Millisecond) {
			return
		}
	}
}

// shows returns what a gateway shows of each topic.
func (f *chaosFleet) shows(ctx context.Context, addr string) map[string]string {
	all := map[string]string{}
	for path, member := range map[string]string{"/api/v1/sources": "sources", "/api/v1/jobs": "jobs", "/api/v1/silences": "silences"} {
		var list map[string][]map[string]any
		if f.get(ctx, addr, path, &list) != http.StatusOK {
			continue
		}
		for _, object := range list[member] {
			name, _ := object["name"].(string)
			if member == "silences" {
				name, _ = object["id"].(string)
			}
			delete(object, "next_at")      // of a job by the clock of each
			delete(object, "available_at") // of a job that has moved: docs/cluster.md does not promise it
			text, _ := json.Marshal(object)
			all[strings.TrimSuffix(member, "s")+"/"+name] = string(text)
		}
	}
	return all
}

// measure puts the sizes of all gateways into the log until ctx ends.
func (f *chaosFleet) measure(ctx context.Context) {
	for wait(ctx, 5*time.Second) {
		for place := range f.places {
			addr := f.healthy(place)
			if addr == "" {
				continue
			}
			if s := f.sizes(ctx, addr); s != nil {
				f.log.add(record{What: hasSizes, By: placeName(place), Sizes: s})
			}
		}
	}
}

// sizes returns those of a gateway, nil if it does not answer.
func (f *chaosFleet) sizes(ctx context.Context, addr string) *sizes {
	text, ok := f.text(ctx, addr, "/metrics")
	if !ok {
		return nil
	}
	var s sizes
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		number, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "go_goroutines":
			s.Goroutines = int(number)
		case "go_memstats_heap_inuse_bytes":
			s.Heap = int64(number)
		}
	}
	return &s
}
