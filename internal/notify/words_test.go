package notify_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
)

func TestSummaries(t *testing.T) {
	failure := "GET http://plant: connection\nrefused"
	for want, m := range map[string]notify.Message{
		"Tank is firing: 91.50": tank(nil),
		"Tank is resolved":      tank(func(i *notify.Item) { i.State = notify.Resolved }),
		"Tank is firing: GET http://plant: connection refused": tank(func(i *notify.Item) { i.Error = &failure }),
		"Sync failed: exit status 1":                           job("failed", notify.Firing, "exit status 1"),
		"Sync timed out":                                       job("timed_out", notify.Firing, ""),
		"Sync did not start: it was still running":             job("missed", notify.Firing, "it was still running"),
		"Sync is slow":                                         job("slow", notify.Firing, ""),
		"Sync has recovered":                                   job("", notify.Resolved, ""),
		"Tank is still firing: 91.50":                          again(tank(nil), notify.Repeat),
		"Sync failed (again): exit status 1":                   again(job("failed", notify.Firing, "exit status 1"), notify.Repeat),
		"Tank is firing, and not silenced any more: 91.50":     again(tank(nil), notify.Unsilenced),
		"40 sources of plant are failing":                      plant(40, notify.Firing, &failure),
		"40 sources of plant are firing":                       plant(40, notify.Firing, nil),
		"40 sources of plant are resolved":                     plant(40, notify.Resolved, nil),
		"40 sources of plant are still failing":                again(plant(40, notify.Firing, &failure), notify.Repeat),
	} {
		if m.Summary != want {
			t.Errorf("the summary is %q, want %q", m.Summary, want)
		}
	}
	m := plant(40, notify.Firing, &failure)
	if lines := strings.Split(m.Text, "\n"); len(lines) != notify.MaxItems+1 || lines[0] != "Tank 0: GET http://plant: connection refused" || lines[20] != "and 20 more" {
		t.Errorf("the text is %q", m.Text)
	}
	long := tank(func(i *notify.Item) { i.Headline, _ = json.Marshal(strings.Repeat("x", 9000)) })
	if n := len(long.Summary); n > 300 {
		t.Errorf("the summary has %d characters", n)
	}
	earlier := tank(func(i *notify.Item) { i.State, i.Until, i.Earlier = notify.Resolved, new(i.Since.Add(time.Minute)), 2 })
	if want := "since 2026-11-21T18:40:00Z until 2026-11-21T18:41:00Z and 2 times before"; earlier.Text != want {
		t.Errorf("the text is %q, want %q", earlier.Text, want)
	}
	failed := job("failed", notify.Firing, "exit status 1")
	failed.Alerts[0].Run = "K3V"
	failed.Word()
	if want := "since 2026-11-21T18:40:00Z\nrun K3V"; failed.Text != want {
		t.Errorf("the text is %q, want %q, so that people can look at its output", failed.Text, want)
	}
}

func job(reason, state, failure string) notify.Message {
	return tank(func(i *notify.Item) {
		i.Key, i.Source, i.Job, i.Title, i.State, i.Reason, i.Value, i.Headline = "job/sync", "", "sync", "Sync", state, reason, nil, nil
		if failure != "" {
			i.Error = &failure
		}
	})
}

func again(m notify.Message, why string) notify.Message {
	m.Again = why
	m.Word()
	return m
}

// plant is the message of n sources of an upstream.
func plant(n int, state string, failure *string) notify.Message {
	m := tank(func(i *notify.Item) { i.State, i.Error = state, failure })
	one := m.Alerts[0]
	m.Count, m.Group, m.Alerts = n, "upstream/plant", nil
	for k := range min(n, notify.MaxItems) {
		one.Key, one.Source, one.Title = fmt.Sprintf("source/tank-%d", k), fmt.Sprintf("tank-%d", k), fmt.Sprintf("Tank %d", k)
		m.Alerts = append(m.Alerts, one)
	}
	m.Word()
	return m
}
