package notify_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/notify"
)

// A webhook by an upstream sends the upstream's header too, hides its credentials, and closes its connection if that of the
// upstream is for one request.
func TestAWebhookByAnUpstream(t *testing.T) {
	address, newest := listen(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprint(r.Close, r.Header), http.StatusTeapot)
	})
	h := &notify.HTTP{
		Method: "POST", URL: parse(t, address+"/x"), Header: http.Header{"X-Team": {"of {title}"}},
		Upstream: &httpkind.Upstream{
			Name: "plant", URL: parse(t, address), Header: http.Header{"Authorization": {"Bearer s3cret-of-plant"}, "X-Team": {"{title}"}, "X-As-It-Is": {"{title}"}},
		},
	}
	err := h.Send(t.Context(), nil, tank(nil))
	got := newest()
	if got.header.Get("Authorization") != "Bearer s3cret-of-plant" || fmt.Sprint(got.header["X-Team"]) != "[of Tank]" || got.header.Get("X-As-It-Is") != "{title}" {
		t.Errorf("the header is %v, want the upstream's, in which braces mean nothing, below that of the webhook", got.header)
	}
	if text := err.Error(); strings.Contains(text, "s3cret-of-plant") || !strings.Contains(text, "418 I'm a teapot: true map[") {
		t.Errorf("the error is %s, want that of the server, without the credential", text)
	}
	if shown, err := h.Show(tank(nil)); err != nil || strings.Contains(shown, "s3cret") || !strings.Contains(shown, "Authorization: ***") {
		t.Errorf("Show = %s, %v, want the credential hidden", shown, err)
	}
}
