package notify_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/jq"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/notify"
)

// A webhook by an upstream sends the upstream's header too, and hides its credentials.
func TestAWebhookByAnUpstream(t *testing.T) {
	address, newest := listen(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprint(r.Header), http.StatusTeapot)
	})
	h := &notify.HTTP{Request: httpkind.Request{
		Method: "POST", Path: "/x", Header: http.Header{"X-Team": {"of {title}"}},
		Upstream: &httpkind.Upstream{
			Name: "plant", URL: parse(t, address), Header: http.Header{"Authorization": {"Bearer s3cret-of-plant"}, "X-Team": {"{title}"}, "X-As-It-Is": {"{title}"}},
		},
	}}
	err := h.Send(t.Context(), nil, tank(nil))
	got := newest()
	if got.header.Get("Authorization") != "Bearer s3cret-of-plant" || fmt.Sprint(got.header["X-Team"]) != "[of Tank]" || got.header.Get("X-As-It-Is") != "{title}" {
		t.Errorf("the header is %v, want the upstream's, in which braces mean nothing, below that of the webhook", got.header)
	}
	if text := err.Error(); strings.Contains(text, "s3cret-of-plant") || !strings.Contains(text, "418 I'm a teapot: map[") {
		t.Errorf("the error is %s, want that of the server, without the credential", text)
	}
	if shown, err := h.Show(tank(nil)); err != nil || strings.Contains(shown, "s3cret") || !strings.Contains(shown, "Authorization: ***") {
		t.Errorf("Show = %s, %v, want the credential hidden", shown, err)
	}
}

// Expressions stand in every text of the request, for what they make of the message. A header of the upstream stays where that of the
// webhook gives null, and a parameter is left out.
func TestExpressionsInAWebhook(t *testing.T) {
	address, newest := listen(t, nil)
	computed := map[string]*jq.Program{}
	for _, source := range []string{".count", ".alerts[0].title", ".alerts[0].error", `"/" + .state`} {
		p, err := jq.Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		computed["${jq: "+source+"}"] = p
	}
	h := &notify.HTTP{Request: httpkind.Request{
		Upstream: &httpkind.Upstream{URL: parse(t, address+"/base"), Header: http.Header{"X-Error": {"none"}, "X-Count": {"many"}}},
		Method:   "POST", Path: `/of/${jq: "/" + .state}/{source}`, Body: `["{title}", ${jq: .count}]`,
		Query: []httpkind.Pair{
			{Name: "t", Value: "a ${jq: .alerts[0].title}"}, {Name: "e", Value: "${jq: .alerts[0].error}"}, {Name: "link", Value: "{link?}{link}"}, {Name: "key", Value: "{source?}{source}"},
		},
		Header:   http.Header{"X-Error": {"${jq: .alerts[0].error}"}, "X-Count": {"${jq: .count}"}, "Content-Type": {"application/json"}},
		Computed: computed,
	}}
	if err := h.Send(t.Context(), nil, tank(func(i *notify.Item) { i.Title = `Tank "1" & co` })); err != nil {
		t.Fatal(err)
	}
	got := newest()
	if want := "/base/of/%2Ffiring/tank?t=a+Tank+%221%22+%26+co&key=tank"; got.uri != want {
		t.Errorf("the address is %s, want %s", got.uri, want)
	}
	if got.header.Get("X-Error") != "none" || got.header.Get("X-Count") != "1" || got.body != `["Tank \"1\" \u0026 co", 1]` {
		t.Errorf("the header is %v and the body %s", got.header, got.body)
	}
	err := h.Send(t.Context(), nil, tank(func(i *notify.Item) { i.Source = ".." }))
	if e, ok := err.(*notify.Error); !ok || !e.Permanent {
		t.Errorf("to a path that leads elsewhere: %v, want a permanent error", err)
	}
}
