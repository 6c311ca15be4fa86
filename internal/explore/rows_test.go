package explore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/explore"
	"github.com/tidewire/tidewire/internal/jq"
)

func TestFindRows(t *testing.T) {
	for value, want := range map[string]string{
		`[{"id": 1, "label": "North", "v": 5}, {"id": 2, "label": "South", "v": 5}]`:          ".[] 2 [.id .label] .label true",
		`{"at": 5, "devices": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}`:                 ".devices[] 3 [.name]  true",
		`{"x": {"two words": [{"a-b": "x", "t": 1}, {"a-b": "y", "t": 1}]}}`:                  `.x["two words"][] 2 [.["a-b"]]  false`,
		`{"bitcoin": {"usd": 5, "eur": 4}, "ethereum": {"usd": 3}}`:                           "to_entries[] 2 [.key]  true",
		`{"rates": {"a": {"n": 1}, "b": {"n": 2}}}`:                                           ".rates | to_entries[] 2 [.key]  true",
		`{"few": [{"id": 1}, {"id": 2}], "many": [{"uid": "x"}, {"uid": "y"}, {"uid": "z"}]}`: ".many[] 3 [.uid]  true\n.few[] 2 [.id]  true",
		`[{"id": "a"}, {"id": "A"}]`:                                                          "", // one name, as names of sources are
		`[{"id": "a"}, {"id": "a"}]`:                                                          "",
		`[{"id": "a"}]`:                                                                       "",
		`[{"id": 1.5}, {"id": 2.5}]`:                                                          "",
		`[{"id": "a"}, "b"]`:                                                                  "",
		`{"main": {"temp": 1}, "wind": {"speed": 2}}`:                                         "",
		`{"a": {"x": 1}, "b": 5}`:                                                             "",
		`[1, 2]`:                                                                              "",
		`5`:                                                                                   "",
		"[" + strings.Repeat(`{"id": 1},`, 1000) + `{"id": 2}]`:                               "",
	} {
		var got []string
		for _, r := range explore.FindRows(decoded(t, value)) {
			got = append(got, fmt.Sprint(r.Each, " ", r.Number, " ", r.Names, " ", r.Title, " ", r.Obvious))
		}
		if text := strings.Join(got, "\n"); text != want {
			t.Errorf("the rows of %.60s are\n%s\nwant\n%s", value, text, want)
		}
	}
}

// What is said of rows is what jq makes of their expressions: as many as there are, each with another name.
func FuzzFindRows(f *testing.F) {
	f.Add(`{"devices": [{"id": 1, "n": "a"}, {"id": 2, "n": "b"}]}`)
	f.Add(`{"a": {"b\"]": {"x": 1, "\\": 2}, "c": {"x": 2}}}`)
	f.Add(`[{"": "x"}, {"": "y"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		v, ok := parsed(text)
		if !ok {
			return
		}
		for _, r := range explore.FindRows(v) {
			each, err := jq.Compile(r.Each)
			if err != nil {
				t.Fatalf("%s: %v", r.Each, err)
			}
			rows, err := each.All(t.Context(), v, nil, 1000)
			if err != nil || len(rows) != r.Number {
				t.Fatalf("%s gives %d rows, %v, want %d", r.Each, len(rows), err, r.Number)
			}
			for _, expression := range r.Names {
				name, err := jq.Compile(expression)
				if err != nil {
					t.Fatalf("%s: %v", expression, err)
				}
				var all []string
				for _, row := range rows {
					v, err := name.Run(t.Context(), row)
					if err != nil || slices.Contains(all, fmt.Sprint(v)) {
						t.Fatalf("%s of %v is %v, %v, after %q", expression, row, v, err, all)
					}
					all = append(all, fmt.Sprint(v))
				}
			}
		}
	})
}
