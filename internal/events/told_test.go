package events_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/internal/events"
)

func TestWhoWasToldIsAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, memory())
		b.Told(events.Message{Receiver: "ops", ID: "m1", State: "firing", Summary: "Tank is firing: 95", Alerts: []string{"source/tank"}})
		b.Told(events.Message{
			Receiver: "mail", ID: "m2", State: "firing", Again: "repeat", Summary: "Sync failed (again)", Alerts: []string{"job/sync"},
			GivenUp: errors.New("550 no such user"),
		})
		var many []string
		for i := range 40 {
			many = append(many, fmt.Sprintf("source/s%d", i))
		}
		b.Told(events.Message{Receiver: "ops", ID: "m3", State: "resolved", Summary: "40 sources of plant are resolved", Alerts: many})
		if lines := b.lines(); len(lines) != 4 || len(lines[3]) > 500 {
			t.Fatalf("the events are %q, want the start, three messages, and 20 keys of the last one", lines)
		}
		want := []string{
			`told tank : ops was told: Tank is firing: 95 {"receiver":"ops","message":"m1","state":"firing","count":1,"alerts":["source/tank"]}`,
			`told sync : mail was not told: Sync failed (again) (550 no such user) {"receiver":"mail","message":"m2","state":"firing","again":"repeat","count":1,` +
				`"alerts":["job/sync"],"error":"550 no such user"}`,
		}
		for i, want := range want {
			if got := b.lines()[i+1]; got != want {
				t.Errorf("event %d is\n%s\nwant\n%s", i+1, got, want)
			}
		}
	})
}
