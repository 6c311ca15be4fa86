package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/hook"
	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/value"
)

// A delivery is what was sent to a hook, once it is known to be genuine.
type delivery struct {
	*config.Hook
	kind.Message
	value     any            // of the message
	variables map[string]any // of expressions
	check     *hook.Check
}

// read makes what expressions work on: JSON, the fields of a form, or a text. A form with the single field payload, as GitHub and
// Slack send it, is the JSON in there.
func (d *delivery) read(ctx context.Context, r *http.Request) (err error) {
	d.Media = r.Header.Get("Content-Type")
	media, params, _ := mime.ParseMediaType(d.Media)
	charset := params["charset"]
	switch {
	case len(bytes.TrimSpace(d.Data)) == 0:
	case value.IsForm(d.Media, d.Data):
		var fields map[string]any
		if fields, err = value.ParseForm(d.Data); err != nil {
			return err
		}
		d.value = fields
		if payload, ok := fields["payload"].(string); ok && len(fields) == 1 {
			d.Data, d.Media = []byte(payload), jsonType
			d.value, err = value.Parse(ctx, value.JSON.In(charset), d.Data)
		}
	case media == jsonType || strings.HasSuffix(media, "+json"):
		d.value, err = value.Parse(ctx, value.JSON.In(charset), d.Data)
	default:
		if d.value, err = value.Parse(ctx, value.JSON.In(charset), d.Data); err != nil && ctx.Err() == nil {
			d.value, err = value.Parse(ctx, value.Text.In(charset), d.Data)
		}
	}
	credentials := append(d.Verify.Headers(), "Authorization", "Cookie")
	d.variables = map[string]any{config.Headers: value.Headers(r.Header, credentials...)}
	return err
}

// challenge returns what Slack wants to have back before it sends anything else to an address, and whether the delivery asks for
// that: {"type": "url_verification", "challenge": TEXT}.
func (d *delivery) challenge() (string, bool) {
	if d.Verify.Scheme != hook.Slack {
		return "", false
	}
	asks, _ := d.value.(map[string]any)
	text, ok := asks["challenge"].(string)
	return text, ok && asks["type"] == "url_verification"
}

func (d *delivery) run(ctx context.Context, what string, p *jq.Program) (any, error) {
	v, err := p.RunWith(ctx, d.value, d.variables)
	if err != nil {
		return nil, unusableError{fmt.Errorf("%s: %w", what, err)}
	}
	return v, nil
}

// caller is who starts something by the delivery.
func (d *delivery) caller() access.Identity {
	return access.Identity{Kind: access.ByHook, Subject: d.Name}
}

// when reports whether the delivery counts.
func (d *delivery) when(ctx context.Context) (bool, error) {
	if d.When == nil {
		return true, nil
	}
	v, err := d.run(ctx, "when", d.When)
	if err != nil {
		return false, err
	}
	holds, ok := v.(bool)
	if !ok {
		return false, unusableError{fmt.Errorf("when: %s gives neither true nor false", d.When)}
	}
	return holds, nil
}

// id tells the delivery apart from others of its hook; empty: nothing does. What the sender signs nobody else can change, so that
// what is sent again has the same one.
func (d *delivery) id(ctx context.Context, r *http.Request) (string, error) {
	var of []byte
	switch {
	case d.ID != nil:
		v, err := d.run(ctx, "id", d.ID)
		if err != nil {
			return "", err
		}
		if v == nil || v == "" {
			return "", unusableError{fmt.Errorf("id: %s gives nothing", d.ID)}
		}
		if of, err = json.Marshal(v); err != nil {
			return "", unusableError{fmt.Errorf("id: %w", err)}
		}
	case d.check.ID() != "":
		of = []byte(d.check.ID())
	case d.check.IsSigned():
		of = d.Data
	default:
		if of = []byte(r.Header.Get("Idempotency-Key")); len(of) == 0 {
			return "", nil
		}
	}
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:]), nil
}

// arguments are those of the start, by the names of the job.
func (d *delivery) arguments(ctx context.Context) (map[string]any, error) {
	args := map[string]any{}
	for _, field := range d.Args {
		v, err := d.run(ctx, "args "+field.Name, field.Expr)
		if err != nil {
			return nil, err
		}
		if v != nil {
			args[field.Name] = v
		}
	}
	return args, nil
}
