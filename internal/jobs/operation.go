package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/sse/progress"
)

// An operation is what a monitor answers of a long operation: by Azure's convention (the status NotStarted, Running,
// Succeeded, Failed or Canceled, with percentComplete), or like a run of Tidewire.
type operation struct {
	Status          string          `json:"status"`
	Percent         *float64        `json:"percent"`
	PercentComplete *float64        `json:"percentComplete"`
	Stage           string          `json:"stage"`
	Message         string          `json:"message"`
	Error           json.RawMessage `json:"error"`
	Result          json.RawMessage `json:"result"`
	Properties      json.RawMessage `json:"properties"`
}

// takeOperation takes the answer of a monitor into the run's state. Over is true when the operation has ended; err is
// why it failed, if it did. Without a status that is understood, 202 means that the operation goes on, and any other
// answer is its result.
func (r *Run) takeOperation(answer *httpkind.Answer) (over bool, err error) {
	var op operation
	if json.Valid(answer.Body) {
		_ = json.Unmarshal(r.secrets.JSON(answer.Body), &op) // a field of another type is left out, and hides no other
	}
	r.report(op.progress)
	switch status := strings.ToLower(op.Status); status {
	case "":
		if answer.Code == http.StatusAccepted {
			return false, nil
		}
		r.keepResult(answer, answer.Body)
		return true, nil
	case "succeeded", "completed":
		r.keepResult(answer, op.result(answer.Body))
		return true, nil
	case "failed", "canceled", "cancelled", "timed_out", "lost":
		text := "the operation " + strings.ReplaceAll(status, "_", " ")
		if reason := reasonOf(op.Error); reason != "" {
			text += ": " + reason
		}
		return true, errors.New(text)
	}
	return false, nil
}

// progress makes the progress of the operation that of the run.
func (op *operation) progress(p *progress.Progress) {
	switch {
	case op.PercentComplete != nil:
		p.Percent = op.PercentComplete
	case op.Percent != nil:
		p.Percent = op.Percent
	}
	p.Stage, p.Message = shorten(op.Stage), shorten(op.Message)
}

// result is the part of body that is the result of the operation, all of it if none is marked as that.
func (op *operation) result(body []byte) []byte {
	for _, part := range []json.RawMessage{op.Result, op.Properties} {
		if len(part) > 0 && !bytes.Equal(part, []byte("null")) {
			return part
		}
	}
	return body
}

// reasonOf is the reason in the error of an operation: a text, or an object with one.
func reasonOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return shorten(text)
	}
	var object struct{ Code, Message string }
	_ = json.Unmarshal(raw, &object) // anything else has no reason
	return shorten(strings.Trim(object.Code+": "+object.Message, ": "))
}
