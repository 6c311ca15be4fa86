package api

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/negotiate"
	"github.com/tidewire/tidewire/internal/web/badge"
	pageview "github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// getBadge answers with a badge of a source, an image for pages of others. A source that is not configured has one, too, with
// 404: a page that shows it shows that.
func (a *API) getBadge(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(r.PathValue("file"), ".svg")
	if !ok {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("badges are SVG: %s.svg", name))
		return
	}
	query := r.URL.Query()
	topic := a.deps.Sources.Topic(name)
	if topic == nil {
		serveBadge(w, r, http.StatusNotFound, badge.Badge{Label: labelOf(query.Get("label"), name), Text: "no such source"})
		return
	}
	var source wire.Source
	if latest, ok := a.deps.Latest(topic); ok {
		_ = json.Unmarshal(latest.Data, &source) // the gateway has written it
	}
	card := pageview.Look{Now: a.deps.Clock.Wall()}.Card(source)
	b := badge.Badge{Label: labelOf(query.Get("label"), card.Title), State: card.State}
	switch show := query.Get("show"); show {
	case "":
		b.Text = conditionOf(card)
	case "state":
		b.Text = card.Word
	case "value":
		b.Text = valueOf(card)
	case "availability":
		text, err := a.availabilityText(r, name)
		if err != nil {
			a.failNumbers(w, r, err)
			return
		}
		b.Text, b.State = text, "" // the past has no state
	default:
		fail(w, r, http.StatusBadRequest, fmt.Sprintf("show=%s is none of state, value and availability", show))
		return
	}
	serveBadge(w, r, http.StatusOK, b)
}

// labelOf is the label of a badge.
func labelOf(asked, title string) string {
	if asked != "" {
		return asked
	}
	return title
}

// conditionOf is the value of a source that is ok, and otherwise how it is.
func conditionOf(c pageview.Card) string {
	switch {
	case c.State == "ok" && (c.Value != "" || c.Text != ""):
		return valueOf(c)
	case (c.State == "stale" || c.State == "failing") && c.Since != "":
		return c.Word + ", " + c.Since
	case c.Value != "" && c.State != "waiting":
		return c.Word + ", " + valueOf(c)
	}
	return c.Word
}

// valueOf is the headline of a source with its unit, or what stands for it.
func valueOf(c pageview.Card) string {
	switch {
	case c.Value != "" && c.Unit != "":
		return c.Value + " " + c.Unit
	case c.Value != "":
		return c.Value
	case c.Text != "":
		return c.Text
	}
	return c.Brief
}

// availabilityText says how available a source was in the window that a request asks for, without rounding up.
func (a *API) availabilityText(r *http.Request, name string) (string, error) {
	asked := r.URL.Query().Get("window")
	if asked == "" {
		asked = "30d"
	}
	var span time.Duration
	for _, window := range windows {
		if window.name == asked {
			span = window.span
		}
	}
	if span == 0 {
		return "", badQuery{fmt.Errorf("window=%s is none of 24h, 7d, 30d and 365d", asked)}
	}
	now := time.Now()
	past, err := a.deps.Spans.Past(r.Context(), name, now.Add(-span), now)
	if err != nil {
		return "", err
	}
	of := sharesOf(span, archive.Shares(past.Spans, now.Add(-span), now))
	length := strings.Replace(strings.Replace(asked, "d", " days", 1), "h", " h", 1)
	if of.Availability == nil {
		return "not known", nil
	}
	return strconv.FormatFloat(math.Floor(*of.Availability*100)/100, 'f', 2, 64) + " % of " + length, nil
}

// serveBadge answers with a badge, or with 304 if the client has it.
func serveBadge(w http.ResponseWriter, r *http.Request, status int, b badge.Badge) {
	data := b.SVG()
	tag := tagOf(sha256.Sum256(data))
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "no-cache")
	if status == http.StatusOK {
		h.Set("ETag", tag)
		if negotiate.HasTag(r.Header, tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(data) // an error means that the client has left
}
