package sources_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/sources"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
)

// A meanings is [sources.Meanings] that outlive a process.
type meanings map[string]string

func (m meanings) Meaning(source string) string      { return m[source] }
func (m meanings) SetMeaning(source, meaning string) { m[source] = meaning }

// A value is not taken for one of a definition by which it would mean something else, as after a reload.
func TestAValueOfAnotherDefinitionIsNoneAfterARestart(t *testing.T) {
	sources.Kept = meanings{}
	defer func() { sources.Kept = nil }()
	synctest.Test(t, func(t *testing.T) {
		const yaml = `sources:
  kind: {exec: [a], every: 1h}
  parse: {exec: [a], every: 1h}
  pick: {exec: [a], parse: json, every: 1h, pick: {v: .a}}
  program: {exec: [a], every: 1h}
  sum: {from: [program], combine: .program}
`
		store := sources.NewStore()
		dying := snapshottest.NewProcess(store)
		before := newPollingOn(t, dying, yaml)
		time.Sleep(30 * time.Minute)
		dying.Kill()
		before.stop()
		after := startPollingOn(t, store, strings.NewReplacer("kind: {exec: [a]", "kind: {file: a", "parse: {exec: [a]", "parse: {exec: [a], parse: lines",
			"v: .a", "v: .b", "program: {exec: [a]", "program: {exec: [b]", "combine: .program", "combine: .program + 1").Replace(yaml))
		for name, want := range map[string]string{"kind": "pending", "parse": "pending", "pick": "pending", "program": "ok", "sum": "pending"} {
			if is := after.now(name); is["state"] != want || (is["value"] != nil) != (want == "ok") {
				t.Errorf("%s goes on as %v, want it %s", name, is, want)
			}
		}
	})
}
