package wire_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// What is decoded from JSON is encoded as the same JSON.
func TestRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		into any
		text string
	}{
		{new(wire.Args), `{"z":{"type":"int","default":1,"min":0,"max":9,"required":false},` +
			`"a":{"type":"string","title":"A \"b\"","secret":true,"required":true}}`},
		{new(wire.Args), `{}`},
		{new(wire.Numbers), `[1,null,-0.25,1e+300]`},
		{new(wire.Numbers), `[]`},
		{new(wire.Show), `{"value":"level","unit":"%","history":"24h"}`},
		{new(wire.Show), `{}`},
		{new(wire.Source), `{"key":"source/a","name":"a","title":"A","kind":"http","upstream":"plant","state":"ok","since":"2026-11-21T18:00:00Z","value":{"b":[1,null]},"show":{},` +
			`"updated_at":"2026-11-21T18:40:02.113Z","stale_at":null,"next_at":null,"waiting":"","error":null,` +
			`"alert":{"state":"firing","since":"2026-11-21T18:38:30.02Z","severity":"warning","silenced":{"id":"3f","until":"2026-11-21T19:38:30Z",` +
			`"by":"ada","reason":"pump is serviced"},"acknowledged":null}}`},
	} {
		if err := json.Unmarshal([]byte(tt.text), tt.into); err != nil {
			t.Errorf("decode %s: %v", tt.text, err)
			continue
		}
		if got, err := json.Marshal(tt.into); err != nil || string(got) != tt.text {
			t.Errorf("encoded %s, %v, want %s", got, err, tt.text)
		}
	}
}

func TestNumbersHaveNaNForNull(t *testing.T) {
	var list wire.Numbers
	err := json.Unmarshal([]byte(`[null,2]`), &list)
	if err != nil || len(list) != 2 || !math.IsNaN(list[0]) || list[1] != 2 {
		t.Errorf("decoded %v, %v, want NaN and 2", list, err)
	}
}

func TestArgsRefuseOtherThings(t *testing.T) {
	for _, text := range []string{`[]`, `"a"`, `{"a":1}`, `{"a":{"type":1}}`} {
		if err := json.Unmarshal([]byte(text), new(wire.Args)); err == nil {
			t.Errorf("%s is taken for arguments", text)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "24h", 90 * time.Minute: "1h30m", 45 * time.Second: "45s", time.Hour + time.Second: "1h0m1s",
	} {
		if got, _ := wire.Span(d).MarshalText(); string(got) != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
