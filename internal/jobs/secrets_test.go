package jobs_test

import (
	"testing"

	"github.com/tidewire/tidewire/internal/jobs"
)

// Half of a character, which JSON can write as an escape, would make the answers that contain the result unreadable for strict
// readers.
func TestAResultHasNoHalvesOfCharacters(t *testing.T) {
	for text, want := range map[string]string{
		`"\ud800"`:                      `"\ufffd"`,
		`{"b": "\uDFFF\uD83d", "a": 1}`: `{"b": "\ufffd\ufffd", "a": 1}`,
		`"\ud83d\ude00 \u00e4"`:         `"\ud83d\ude00 \u00e4"`,
		`"\\ud800 \\\ud800"`:            `"\\ud800 \\\ufffd"`,
		`"\ud800\ud83d\ude00"`:          `"\ufffd\ud83d\ude00"`,
		`"\ud800\\ude00"`:               `"\ufffd\\ude00"`,
		`"\ud8"00"`:                     "", // which is no JSON
	} {
		if got := jobs.ResultOf(text); got != want {
			t.Errorf("the result of %s is %s, want %s", text, got, want)
		}
	}
}
