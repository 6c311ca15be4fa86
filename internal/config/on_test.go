package config_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

func TestOn(t *testing.T) {
	const shared = "version: 1\nstore: {nats: \"nats://127.0.0.1:4222\"}\n"
	c, problems := config.Load("t.yaml", []byte(shared+`
sources: {temp: {exec: [sensors], on: plc-1.example}}
jobs:
  a: {exec: [date], on: plc-1, group: g}
  b: {exec: [date], on: plc-1, group: g}
  c: {exec: [date]}
`))
	if problems != nil {
		t.Fatal(problems)
	}
	if c.Sources[0].On != "plc-1.example" || c.Jobs[0].On != "plc-1" || c.Jobs[2].On != "" {
		t.Errorf("they are on %q, %q and %q", c.Sources[0].On, c.Jobs[0].On, c.Jobs[2].On)
	}
	for yaml, want := range map[string]string{
		"version: 1\nsources: {a: {exec: [date], on: b}}":                                        "t.yaml:2:33: on names a replica, and without nats in store there is one process alone",
		"version: 1\nstore: {dir: d}\njobs: {a: {exec: [date], on: b}}":                          "t.yaml:3:30: on names a replica, and without nats in store there is one process alone",
		shared + "sources: {a: {file: x, on: b}}":                                                "t.yaml:3:28: on without exec, remove it; it is for sources with exec",
		shared + "upstreams: {u: {http: \"http://u\"}}\njobs: {a: {http: {upstream: u}, on: b}}": "t.yaml:4:37: on without exec, remove it; it is for jobs with exec",
		shared + "sources: {a: {exec: [date], on: a/b}}":                                         "t.yaml:3:33: on: \"a/b\" cannot be the name of a replica",
		shared + "jobs: {a: {exec: [date], on: [b]}}":                                            "t.yaml:3:30: on is a list",
		shared + "jobs: {a: {exec: [date], on: x, group: g}, b: {exec: [date], group: g}}":       "t.yaml:3:69: the jobs \"a\" and \"b\" of the group \"g\" are on different replicas",
	} {
		if _, problems := config.Load("t.yaml", []byte(yaml)); problems == nil || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s\n  = %v\n want %s", yaml, problems, want)
		}
	}
}

func TestOnEach(t *testing.T) {
	const shared = "version: 1\nstore: {nats: \"nats://127.0.0.1:4222\"}\n"
	c, problems := config.Load("t.yaml", []byte(shared+`
sources:
  disk: {exec: [df], on: each, title: Disk}
  one: {exec: [date]}
quiet:
  - {at: "@daily", for: 1h, of: [source/one, source/disk]}
  - {at: "@daily", for: 1h, of: all}
`))
	if problems != nil {
		t.Fatal(problems)
	}
	for range 2 { // c stays as it is
		all := c.ForReplicas(func(source string) []string { return []string{source + ".a", "b"} })
		var got []string
		for _, s := range all.Sources {
			got = append(got, s.Name+" "+s.Title+" "+s.On)
		}
		for _, q := range all.Quiet {
			got = append(got, strings.Join(q.Of, " "))
		}
		const want = "disk@disk.a Disk@disk.a disk.a, disk@b Disk@b b, one one , source/one source/disk@disk.a source/disk@b, all"
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("for replicas there are\n  %s\nwant\n  %s", got, want)
		}
	}
	if plain, _ := config.Load("t.yaml", []byte("version: 1\nsources: {a: {exec: [date]}}")); plain.ForReplicas(nil) != plain {
		t.Error("a configuration without such sources is another one for replicas")
	}
	const disk = shared + "sources:\n  disk: {exec: [df], on: each}\n"
	for yaml, want := range map[string]string{
		disk + "  sum: {from: [disk]}":                                 "t.yaml:5:16: source \"disk\" is on each replica, so it is several: disk@NAME for each",
		disk + "jobs: {j: {exec: [date], then: {refresh: disk}}}":      "t.yaml:5:42: source \"disk\" is on each replica, so it is several",
		shared + "jobs: {j: {exec: [date], on: each}}":                 "t.yaml:3:30: on: each is for sources, since a start of a job is one run",
		"version: 1\nstore: {nats: {url: \"nats://h\", name: each}}\n": "t.yaml:2:39: name: each cannot be that of a replica",
	} {
		if _, problems := config.Load("t.yaml", []byte(yaml)); problems == nil || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s\n  = %v\n want %s", yaml, problems, want)
		}
	}
}
