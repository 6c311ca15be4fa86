package main

import (
	"net/http"
	"strings"
	"testing"
)

const someReplicas = `{"key":"replicas","replicas":[
 {"id":"A","name":"plant-1","version":"v1.4.0","since":"2026-11-21T06:12:09Z","self":true,"state":"ok","silent_since":null,"same_config":true,"sources":14,"jobs":3},
 {"id":"B","name":"plant-2","version":"v1.4.0","since":"2026-11-21T06:13:44Z","self":false,"state":"silent","silent_since":"2026-11-21T18:39:51Z","same_config":true,"sources":13,"jobs":4},
 {"id":"C","name":"plant-3","version":"v1.5.0","since":"2026-11-21T18:30:00Z","self":false,"state":"ok","silent_since":null,"same_config":false,"sources":0,"jobs":0},
 {"id":"D","name":"plant-4","version":"v1.5.0","since":"2026-11-21T18:30:00Z","self":false,"state":"ok","silent_since":null,"same_config":false,"other_zone":true,"sources":0,"jobs":0}]}`

func TestReplicasCommand(t *testing.T) {
	gw := fake(t, map[string]http.HandlerFunc{"GET /api/v1/replicas": answers(someReplicas)})
	const table = `
REPLICA  STATE     SOURCES  JOBS  SINCE                VERSION  NOTE
plant-1  ● ok      14       3     2026-11-21 06:12:09  v1.4.0   answers you
plant-2  ✖ silent  13       4     2026-11-21 06:13:44  v1.4.0   silent since 2026-11-21 18:39:51
plant-3  ● ok      0        0     2026-11-21 18:30:00  v1.5.0   another configuration
plant-4  ● ok      0        0     2026-11-21 18:30:00  v1.5.0   another local time zone
`
	if code, stdout, stderr := tidewire(t, "replicas", "--url", gw); code != 0 || stdout != table[1:] || stderr != "" {
		t.Errorf("replicas = %d %q\n%s\nwant\n%s", code, stderr, stdout, table)
	}
	code, stdout, _ := tidewire(t, "replicas", "--json", "--url", gw)
	if lines := strings.Split(strings.TrimSpace(stdout), "\n"); code != 0 || len(lines) != 4 || !strings.HasPrefix(lines[1], `{"id":"B"`) {
		t.Errorf("replicas --json = %d %q, want a line for each", code, stdout)
	}
	alone := fake(t, map[string]http.HandlerFunc{"GET /api/v1/replicas": answers(`{"key":"replicas","replicas":[]}`)})
	if code, stdout, _ := tidewire(t, "replicas", "--url", alone); code != 0 || stdout != "this gateway shares its store with no other\n" {
		t.Errorf("replicas of a gateway alone = %d %q", code, stdout)
	}
}
