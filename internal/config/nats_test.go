package config_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// Replicas share their state in NATS, whose address may be all that is said.
func TestNATS(t *testing.T) {
	for text, want := range map[string]config.NATS{
		"nats://a:4222,b":                    {URL: "nats://a:4222,b", Replicas: 1, Prefix: "tidewire"},
		"{url: tls://a, replicas: 3}":        {URL: "tls://a", Replicas: 3, Prefix: "tidewire"},
		"{url: 'u:secret@a', prefix: other}": {URL: "u:secret@a", Replicas: 1, Prefix: "other"},
		"{url: a, name: Host-1.lan}":         {URL: "a", Replicas: 1, Prefix: "tidewire", Name: "Host-1.lan"},
	} {
		c, problems := config.Load("t.yaml", []byte("version: 1\nstore: {nats: "+quoted(text)+"}\n"))
		if problems != nil {
			t.Errorf("nats: %s: %v", text, problems)
		} else if c.Store != nil || *c.NATS != want {
			t.Errorf("nats: %s = %+v, want %+v", text, *c.NATS, want)
		}
	}
	for text, want := range map[string]string{
		"http://a":                   "is not a way to reach a server",
		"{}":                         "has no url",
		"'nats://u:secret@'":         "not the address of a server",
		"{url: a, replicas: 2}":      "cannot outvote",
		"{url: a, prefix: 'a.b'}":    "not the name of a stream",
		"{url: a, name: a/b}":        `t.yaml:2:30: name: "a/b" cannot be that of a replica, write up to 64 letters`,
		"{url: a, creds: /nowhere}":  "nowhere",
		"{url: a, tls: {cert: /no}}": "/no",
		"a, dir: data":               "choose one of them",
		"{url: a}, max_size: 1GB":    "choose one of them",
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
