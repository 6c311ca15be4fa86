package explore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/explore"
)

// Each element with a text has a selector, a name, and a number if its text is one.
func TestElements(t *testing.T) {
	leaves, more := explore.Elements(`<!doctype html><title>Pump</title><style>p{}</style>
<h1>Pump <b>house</b></h1>
<p id="temp">21.5 °C</p><p id="1x">12:30</p>
<table id=t><tr><th>Level<td>41<tr><th>Flow<td class="v big">4.25 l/s</table><script>var x = 1</script>`)
	var b strings.Builder
	for _, l := range leaves {
		fmt.Fprintf(&b, "%s = %s (%s) %s\n", l.Way(), l.Text(), l.Name(func(string) bool { return false }), l.Path)
	}
	want := `html > head > title = "Pump" (title) 
body > h1 = "Pump" (h1) 
body > h1 > b = "house" (b) 
#temp = 21.5 (temp) capture("^(?<n>-?[0-9.]+)").n | tonumber
body > p:nth-of-type(2) = "12:30" (1x) 
#t > tbody > tr:nth-of-type(1) > th = "Level" (th) 
#t > tbody > tr:nth-of-type(1) > td = 41 (level) tonumber
#t > tbody > tr:nth-of-type(2) > th = "Flow" (th) 
#t > tbody > tr:nth-of-type(2) > td = 4.25 (flow) capture("^(?<n>-?[0-9.]+)").n | tonumber
`
	if b.String() != want || more != 0 {
		t.Errorf("%d more than\n%s\nwant\n%s", more, &b, want)
	}
}
