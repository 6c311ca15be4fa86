package config_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind/nats"
)

// Replicas share their state in NATS, whose address may be all that is said.
func TestNATS(t *testing.T) {
	for text, want := range map[string]config.NATS{
		"a:4222, nats://b ,c":                {Server: nats.Server{URL: "a:4222, nats://b ,c"}, Replicas: 1, Prefix: "tidewire"},
		"nats://a:4222,b":                    {Server: nats.Server{URL: "nats://a:4222,b"}, Replicas: 1, Prefix: "tidewire"},
		"tls://u:p@a,tls://u:p@b":            {Server: nats.Server{URL: "tls://u:p@a,tls://u:p@b"}, Replicas: 1, Prefix: "tidewire"},
		"{url: tls://a, replicas: 3}":        {Server: nats.Server{URL: "tls://a"}, Replicas: 3, Prefix: "tidewire"},
		"{url: 'u:secret@a', prefix: other}": {Server: nats.Server{URL: "u:secret@a"}, Replicas: 1, Prefix: "other"},
		"{url: a, name: Host-1.lan}":         {Server: nats.Server{URL: "a"}, Replicas: 1, Prefix: "tidewire", Name: "Host-1.lan"},
	} {
		c, problems := config.Load("t.yaml", []byte("version: 1\nstore: {nats: "+quoted(text)+"}\n"))
		if problems != nil {
			t.Errorf("nats: %s: %v", text, problems)
		} else if c.Store != nil || *c.NATS != want {
			t.Errorf("nats: %s = %+v, want %+v", text, *c.NATS, want)
		}
	}
	for text, want := range map[string]string{
		"http://a":                   `nats: no server is reached by "http"`,
		"a:70000":                    "not the address of a server",
		"'a, ws://b'":                "some of the servers are reached by WebSocket",
		"{}":                         "has no url",
		"'nats://u:secret@'":         "not the address of a server",
		"'nats://u:secret@a,b,c:1'":  "nats: 2 of 3 addresses have no user",
		"{url: a, replicas: 2}":      "cannot outvote",
		"{url: a, prefix: 'a.b'}":    "not the name of a stream",
		"{url: a, name: a/b}":        `t.yaml:2:30: name: "a/b" cannot be the name of a replica, write up to 64 letters`,
		"{url: a, creds: /nowhere}":  "nowhere",
		"{url: a, tls: {cert: /no}}": "/no",
		"a, dir: data":               "store has nats and dir, choose one of them",
		"{url: a}, max_size: 1GB":    "store has nats and max_size, choose one of them",
	} {
		_, problems := config.Load("t.yaml", []byte("version: 1\nstore: {nats: "+text+"}\n"))
		if len(problems) == 0 || !strings.Contains(problems.Error(), want) || strings.Contains(problems.Error(), "secret") {
			t.Errorf("nats: %s: %v, want %q", text, problems, want)
		}
	}
}

// quoted is a text in YAML, unless it is a mapping.
func quoted(text string) string {
	if strings.HasPrefix(text, "{") {
		return text
	}
	return `"` + text + `"`
}

// A source of NATS names its subject, and what is wrong is said at its place.
func TestNATSSource(t *testing.T) {
	const good = `version: 1
upstreams:
  bus: {nats: "nats://ann:s3cret-word@h:4222"}
  web: {http: http://h}
sources:
  tank: {nats: {upstream: bus, subject: plant.tank.1, ask: plant.tank.1.get}, at_most: 1s, stale_after: 1m}
`
	c, problems := config.Load("t.yaml", []byte(good))
	if problems != nil {
		t.Fatal(problems)
	}
	s := c.Sources[0]
	if got := s.Spec.(*nats.Source); s.Polled() || got.Subject != "plant.tank.1" || got.Ask != "plant.tank.1.get" || s.Parse.Name != "json" {
		t.Errorf("the source is %+v, parsed as %s", got, s.Parse)
	}
	for _, tt := range []struct{ from, to, want string }{
		{"plant.tank.1,", "plant.*.1,", `t.yaml:6:41: subject: "plant.*.1" is not one subject, write a whole subject such as plant.tank.1`},
		{"plant.tank.1,", "plant..1,", `t.yaml:6:41: subject: "plant..1" is not one subject`},
		{"plant.tank.1.get", "a b", `t.yaml:6:60: ask: "a b" is not one subject`},
		{", subject: plant.tank.1", "", `t.yaml:6:16: nats of source "tank" has no subject, add one such as`},
		{"subject", "topic", `t.yaml:6:32: unknown key "topic" in nats of source "tank", did you mean "subject"?`},
		{"upstream: bus, ", "", `t.yaml:6:16: nats of source "tank" has no upstream, add the name of one such as upstream: bus`},
		{"upstream: bus", "upstream: web", `t.yaml:6:27: upstream "web" is not one with nats, name one that has the key nats`},
		{"{upstream: bus, subject: plant.tank.1, ask: plant.tank.1.get}", "plant.tank.1", `t.yaml:6:16: nats of source "tank" is a text, write {upstream: NAME, subject: SUBJECT}`},
		{"at_most: 1s", "every: 1s", "t.yaml:6:86: every in a source that is told its values, which is not polled, remove it"},
		{"nats://ann:s3cret-word@h:4222", "http://ann:s3cret-word@h", `t.yaml:3:15: nats: no server is reached by "http", write nats:// or tls://`},
		{`h:4222"`, `h:4222", bearer: abcdef`, "t.yaml:3:56: bearer without http"},
		{`h:4222"`, `h:4222", tls: {cert: nats_test.go}`, "t.yaml:3:53: tls needs cert and key"},
	} {
		_, problems := config.Load("t.yaml", []byte(strings.Replace(good, tt.from, tt.to, 1)))
		if text := problems.Error(); !strings.Contains(text, tt.want) || strings.Contains(text, "s3cret") {
			t.Errorf("with %s:\n%v\nwant %s", tt.to, text, tt.want)
		}
	}
}

// States are published below a subject of an upstream of NATS.
func TestForwardNATS(t *testing.T) {
	const good = "version: 1\nforward: {nats: {upstream: bus}}\nupstreams: {bus: {nats: h}, web: {http: http://h}}\n"
	c, problems := config.Load("t.yaml", []byte(good))
	if problems != nil || c.Forward.NATS.Upstream != c.Upstreams[0] || c.Forward.NATS.Subject != "tidewire" {
		t.Errorf("%v, %+v", problems, c)
	}
	for _, tt := range []struct{ from, to, want string }{
		{"bus}", "bsu}", `t.yaml:2:28: unknown upstream "bsu", did you mean "bus"?`},
		{"bus}", "web}", `t.yaml:2:28: upstream "web" is not one with nats, name one that has the key nats`},
		{"bus}", "bus, subject: 'a.>'}", `t.yaml:2:42: subject: "a.>" is not one subject, write a whole subject`},
		{"upstream: bus", "", `t.yaml:2:17: nats of forward has no upstream, add one such as upstream: bus`},
		{"{nats: {upstream: bus}}", "{}", `t.yaml:2:10: forward is empty, add nats such as nats: {upstream: bus}, or http`},
		{"{nats: {upstream: bus}}", "{kafka: x}", `t.yaml:2:11: unknown key "kafka" in forward, `},
	} {
		_, problems := config.Load("t.yaml", []byte(strings.Replace(good, tt.from, tt.to, 1)))
		if text := problems.Error(); !strings.Contains(text, tt.want) {
			t.Errorf("with %s:\n%v\nwant %s", tt.to, text, tt.want)
		}
	}
}
