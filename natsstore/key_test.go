package natsstore

import (
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	for topic, want := range map[string]string{
		"":                          "=_",
		"/":                         "=_.=_",
		"a":                         "a",
		"job/scan":                  "job.scan",
		"a//b":                      "a.=_.b",
		"discovery/edge 1/svc?x=1":  "discovery.edge=201.svc=3Fx=3D1",
		"a.b":                       "a=2Eb",
		"*":                         "=2A",
		">":                         "=3E",
		"\x00\xff":                  "=00=FF",
		"_lease/x":                  "_lease.x",
		strings.Repeat("x", maxKey): strings.Repeat("x", maxKey),
	} {
		if got := keyOf(topic); got != want {
			t.Errorf("keyOf(%q) = %q, want %q", topic, got, want)
		}
	}
	long := strings.Repeat("x", maxKey)
	a, b := keyOf(long+"a"), keyOf(long+"b")
	if a == b || !strings.HasPrefix(a, hashed) || len(a) > 100 {
		t.Errorf("long topics have the keys %q and %q, want two short ones", a, b)
	}
	for _, bad := range []string{"=", "=4", "=zz", "a=h1"} {
		if topic, err := topicOf(bad); err == nil {
			t.Errorf("topicOf(%q) = %q, want an error", bad, topic)
		}
	}
}

func FuzzKeys(f *testing.F) {
	for _, topic := range []string{"", "/", "a/b", "a b", "=", "=_", "=h", "\xff/ü", "..", "a/", "/a"} {
		f.Add(topic)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		key := keyOf(topic)
		for token := range strings.SplitSeq(key, ".") {
			if token == "" {
				t.Errorf("keyOf(%q) = %q has an empty token", topic, key)
			}
		}
		if strings.ContainsAny(key, "*> \t\r\n") || len(key) > maxKey {
			t.Errorf("keyOf(%q) = %q cannot be in a subject", topic, key)
		}
		if strings.HasPrefix(key, hashed) {
			return
		}
		if back, err := topicOf(key); err != nil || back != topic {
			t.Errorf("topicOf(keyOf(%q)) = %q, %v", topic, back, err)
		}
	})
}
