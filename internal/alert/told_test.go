package alert_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// Afterwards people can find out who was told what, and who was not.
func TestWhoWasTold(t *testing.T) {
	tell(t, "of an outage, and of its end, when the receiver is back", func(s *story) {
		for _, name := range []string{"a", "b"} {
			s.source(name, "plant", s.high("ops"))
		}
		s.gets("a", 95)
		s.gets("b", 97)
		s.after(time.Minute)
		s.fails(true)
		s.gets("a", 50)
		s.gets("b", 50)
		s.after(2 * time.Minute)
		if len(s.told) != 1 {
			t.Errorf("%d messages were told, want none that failed", len(s.told)-1)
		}
		s.fails(false)
		s.after(time.Hour)
		var got []string
		for _, told := range s.told {
			got = append(got, fmt.Sprint(told.Receiver, " ", told.State, told.Again, ": ", told.Summary, " ", told.Alerts, " ", told.GivenUp))
			if told.ID == "" {
				t.Errorf("a message has no id: %+v", told)
			}
		}
		if want := []string{
			"ops firing: 2 sources of plant are firing [source/a source/b] <nil>",
			"ops resolved: 2 sources of plant are resolved [source/a source/b] <nil>",
		}; !slices.Equal(got, want) {
			t.Errorf("who was told is %q, want %q", got, want)
		}
	})
	tell(t, "of a message that is given up", func(s *story) {
		s.fails(true)
		s.source("a", "", s.high("ops"))
		s.gets("a", 95)
		s.after(48 * time.Hour)
		if len(s.told) != 1 || s.told[0].GivenUp == nil || s.told[0].Summary != "a is firing" {
			t.Errorf("who was told is %+v, want that ops will not get it", s.told)
		}
	})
}

func TestWhatTheListSays(t *testing.T) {
	tell(t, "the value", func(s *story) {
		s.source("a", "", s.high("ops"))
		for _, value := range []float64{95, 97} {
			m := s.monitors["a"]
			data, _ := json.Marshal(value)
			m.Transition(alert.Reading{OK: true, Polled: true, Value: data}, m.Evaluate(s.t.Context(), value))
		}
		if all := s.service.Alerts().Alerts; len(all) != 1 || all[0].About != "97" {
			t.Errorf("the alerts are %+v, want one about 97", all)
		}
	})
	tell(t, "why a run did not succeed, and what it said last", func(s *story) {
		job := s.service.Job(alert.Subject{Key: "job/sync", Name: "sync", Title: "Sync"}, &config.JobAlert{
			On: []config.Reason{config.ReasonFailed, config.ReasonTimedOut}, Notify: []*config.Notify{s.to("ops")},
		})
		ends := func(id, failure, last string) string {
			finished := time.Now()
			job.Ended(wire.Run{ID: id, Status: progress.StatusFailed, FinishedAt: &finished, Error: &failure, Message: last})
			return s.service.Alerts().Alerts[0].About
		}
		for i, tt := range []struct{ failure, last, want string }{
			{"exit status 3", "no space left on /mnt", "exit status 3: no space left on /mnt"},
			{"exit status 3", "", "exit status 3"},
			{"exit status 1", "copying 4 of 8\n", "exit status 1: copying 4 of 8"},
			{"no answer: 503 is busy", "503 is busy", "no answer: 503 is busy"},
			{"timed out after 30 s", "POST http://plant.example/sync: timed out after 30 s", "timed out after 30 s"},
		} {
			if got := ends(fmt.Sprint(i), tt.failure, tt.last); got != tt.want {
				t.Errorf("of a run that failed with %q after %q it says %q, want %q", tt.failure, tt.last, got, tt.want)
			}
		}
	})
}
