package value_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/value"
)

// What is encoded as a form has the same fields again, whatever they are.
func FuzzParseForm(f *testing.F) {
	f.Add("a", "1", "b", "x y")
	f.Add("", "", "é", "%zz&=;+")
	f.Add("a", "1", "a", "2")
	f.Fuzz(func(t *testing.T, name, text, other, more string) {
		form := url.Values{}
		form.Add(name, text)
		form.Add(other, more)
		fields, err := value.ParseForm([]byte(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		for name, texts := range form {
			if !utf8.ValidString(name) {
				continue
			}
			want := strings.ToValidUTF8(texts[0], "\uFFFD")
			got, ok := fields[name].(string)
			if list, isList := fields[name].([]any); isList {
				got, ok = list[0].(string)
			}
			if !ok || utf8.ValidString(name+other) && got != want {
				t.Errorf("field %q is %v, want %q", name, fields[name], want)
			}
		}
		if data := []byte(name + "=" + text); value.IsForm("application/x-www-form-urlencoded", data) {
			_, _ = value.ParseForm(data) // whatever it is, it ends
		}
	})
}
