package config

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/hook"
	"github.com/tidewire/tidewire/internal/jq"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// A Hook is an address to which another service sends what happened there. Exactly one of Job and Source is set.
type Hook struct {
	Name   string
	Verify hook.Verifier
	Job    *Job        // is started
	Source *Source     // a [kind.Pushed] one, which gets what is sent
	When   *jq.Program // whether what is sent counts: true or false; nil: always
	ID     *jq.Program // tells deliveries apart; nil: by what the scheme of Verify has
	Args   []Field     // of Job
}

// Headers is the variable of the expressions of a [Hook]: an object of the headers, with names in small letters.
const Headers = "$headers"

// String returns the kind and the name of h.
func (h *Hook) String() string { return "hook " + grammar.Quote(h.Name) }

// MarshalText returns what String does.
func (h *Hook) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// Hook returns the hook of that name, nil if there is none.
func (c *Config) Hook(name string) *Hook {
	if i := slices.IndexFunc(c.Hooks, func(h *Hook) bool { return h.Name == name }); i >= 0 {
		return c.Hooks[i]
	}
	return nil
}

// proofs are the keys of verify of which there is exactly one.
var proofs = []string{string(hook.HMAC), string(hook.Token), string(hook.Stripe), string(hook.Slack), string(hook.Standard)}

func (r *reader) hookKeys(h *Hook, where string) grammar.Keys {
	return grammar.Keys{
		grammar.Section("verify", "how a sender proves who it is; exactly one of `hmac_sha256`, `token`, `stripe`, `slack` and `standard`",
			"verify of "+where, verifyKeys(&h.Verify, where)).Also("secret auth signature").Need("{hmac_sha256: \"${env:HOOK_SECRET}\"}"),
		grammar.Func("job", "the job that is started",
			grammar.ALine, func(v *grammar.Node) { h.Job = grammar.Lookup(v, "job", r.parts.jobs) }).Also("run start").OneOf(),
		grammar.Func("source", "the source with `push` that gets what was sent, at most 256 KiB",
			grammar.ALine, func(v *grammar.Node) { h.Source = r.pushedSource(v) }).Also("push").OneOf(),
		grammar.Func("args",
			"the arguments of the start: an expression for each, on what was sent; null leaves one out",
			hookArgsShape, func(v *grammar.Node) { h.Args = readHookArgs(v, where) }).Also("arguments params").With("job"),
		hookExpression("when", "the condition on what was sent: true or false. If it is false, nothing happens", &h.When).Also("if filter"),
		hookExpression("id",
			"tells deliveries apart: of those with the same one within 24 h the first counts. Without it, it is what was signed; with `token`, "+
				"the header `Idempotency-Key` if there is one",
			&h.ID).Also("delivery_id"),
	}
}

var (
	hookArgsShape = grammar.Shape{"type": "object", "minProperties": 1, "additionalProperties": grammar.ALine}
	hooksShape    = grammar.MappingOfNames(grammar.Object((&reader{}).hookKeys(&Hook{}, "")))
)

// hookExpression is a key whose value is an expression on what was sent to a hook.
func hookExpression(name, doc string, to **jq.Program) grammar.Key {
	return grammar.Func(name, doc, grammar.ALine, func(v *grammar.Node) { *to = v.JQ(name, Headers) })
}

func verifyKeys(v *hook.Verifier, where string) grammar.Keys {
	scheme := func(of hook.Scheme, doc string) grammar.Key {
		return grammar.Func(string(of), doc, grammar.AnyText, func(n *grammar.Node) {
			v.Scheme, v.Secret = of, readHookSecret(n, of)
		}).Secret().OneOf()
	}
	return grammar.Keys{
		scheme(hook.HMAC, "the secret of a signature of the body by HMAC-SHA256, as GitHub and Gitea make it").Also("github gitea hmac sha256 secret"),
		scheme(hook.Token, "a secret that the sender has in a header, as GitLab does").Also("gitlab bearer"),
		scheme(hook.Stripe, "the secret of the endpoint at Stripe, `whsec_…`"),
		scheme(hook.Slack, "the signing secret of the app at Slack"),
		scheme(hook.Standard, "the secret of a service that signs as standardwebhooks.com describes, `whsec_…`").Also("svix standardwebhooks"),
		grammar.Func("header",
			"of `hmac_sha256` and `token`: the header that has the signature or the token; by default `X-Hub-Signature-256` and `Authorization`",
			httpkind.HeaderShape, func(n *grammar.Node) { v.Header = readHeaderName(n, "header") }),
		grammar.Duration("tolerance",
			"of `stripe`, `slack` and `standard`: by how much the time of the signature may differ from the clock of this machine",
			&v.Tolerance).Default("5m"),
	}
}

// minSecret is fewer characters than any service makes.
const minSecret = 12

func readHookSecret(n *grammar.Node, of hook.Scheme) string {
	secret, ok := n.Text(string(of), grammar.AText)
	switch {
	case !ok:
	case secret == "":
		n.Problem(fmt.Sprintf("%s is empty: anybody could make the signature", of), "write the secret that the sender has, such as "+aReference)
	case strings.TrimSpace(secret) != secret:
		n.Problem(fmt.Sprintf("%s begins or ends with white space", of), "write the secret alone")
	case of == hook.Standard:
		if key, err := hook.StandardKey(secret); err != nil || len(key) == 0 {
			n.Problem("standard is not whsec_ and base64", "write the secret as the service shows it")
			return ""
		}
		return secret
	default:
		if len(secret) < minSecret {
			n.Warn(0, fmt.Sprintf("%s has only %d characters, so that it can be guessed", of, len(secret)), "write a random text of 32 characters")
		}
		return secret
	}
	return ""
}

const aReference = `"${env:HOOK_SECRET}"`

// pushedSource returns the source that n names, which must be one to which values can be sent.
func (r *reader) pushedSource(n *grammar.Node) *Source {
	if split, row := r.rowIn(n.Value()); split != nil && n.IsScalar() {
		if r.checkRow(n, split, row) {
			n.Problem(fmt.Sprintf("values cannot be sent to %s, which is a row", grammar.Quote(n.Value())), "name a source that has the key push")
		}
		return nil
	}
	s := grammar.Lookup(n, "source", r.parts.sources)
	if s == nil || s.Spec == nil {
		return nil
	}
	if !s.Pushed() {
		n.Problem(fmt.Sprintf("values cannot be sent to source %s", grammar.Quote(s.Name)), "name one that has the key push")
		return nil
	}
	return s
}

func readHookArgs(n *grammar.Node, where string) (args []Field) {
	for k, v := range n.Entries("args of " + where) {
		v.Reveal()
		args = append(args, Field{Name: k.Value(), Expr: v.JQ("argument "+grammar.Quote(k.Value()), Headers)})
	}
	return args
}

// hooks reads where other services send what happened.
func (f *fileReader) hooks(n *grammar.Node) {
	for _, e := range n.Names("hooks") {
		f.c.Hooks = append(f.c.Hooks, f.hook(e))
	}
}

// hook reads one entry of hooks.
func (r *reader) hook(e grammar.Named) *Hook {
	where := "hook " + grammar.Quote(e.Name)
	h, n := &Hook{Name: e.Name}, e.Value
	n.Read(where, r.hookKeys(h, where))
	switch {
	case has(n, "job", "source") > 1:
		e.Key.Problem(where+" has a job and a source", "keep one of them")
	case n.Lacks("job", "source"):
		e.Key.Problem(where+" does not say what happens", "add job or source")
	}
	if verify := n.Get("verify"); verify.IsMapping() {
		checkVerify(verify, h.Verify, where)
	}
	if args := n.Get("args"); args != nil && n.Get("job") == nil {
		args.Problem("args without job", "remove it: a source gets all that was sent")
	}
	if h.Job != nil {
		checkHookArgs(n, h, where)
	}
	return h
}

// checkVerify checks that there is one scheme, with keys that go with it.
func checkVerify(n *grammar.Node, v hook.Verifier, where string) {
	switch {
	case has(n, proofs...) > 1:
		n.Problem("verify of "+where+" has more than one secret", "keep exactly one of "+listed(proofs, "and"))
		return
	case n.Lacks(proofs...):
		n.Problem("verify of "+where+" has no secret", "add exactly one of "+listed(proofs, "and"))
		return
	}
	timed := v.Scheme == hook.Stripe || v.Scheme == hook.Slack || v.Scheme == hook.Standard
	if header := n.Get("header"); header != nil && timed {
		header.Problem(fmt.Sprintf("header in verify by %s, whose headers are known", v.Scheme), "remove it")
	}
	if tolerance := n.Get("tolerance"); tolerance != nil && !timed && v.Scheme != "" {
		tolerance.Problem(fmt.Sprintf("tolerance in verify by %s, which signs no time", v.Scheme), "remove it")
	}
	if tolerance := n.Get("tolerance"); tolerance != nil && v.Tolerance > time.Hour {
		tolerance.Problem("tolerance is longer than an hour: what somebody has recorded could be sent again", "write a shorter one such as 5m")
	}
	if header := n.Get("header"); header != nil && v.Scheme == hook.HMAC && v.Header == http.CanonicalHeaderKey(hook.TokenHeader) {
		header.Warn(0, "header of a signature is Authorization, which proxies may change", "use another one such as "+hook.SignatureHeader)
	}
}

// checkHookArgs checks that a hook gives its job the arguments that it needs, and no others.
func checkHookArgs(n *grammar.Node, h *Hook, where string) {
	args := n.Get("args")
	for k := range args.Pairs() {
		argOf(k, h.Job)
	}
	for _, a := range h.Job.Args {
		if a.Default == nil && args.Get(a.Name) == nil {
			n.Get("job").Problem(fmt.Sprintf("%s would start job %s without the argument %s", where, grammar.Quote(h.Job.Name), grammar.Quote(a.Name)),
				fmt.Sprintf("add args such as {%s: .%s}, or give the argument a default", a.Name, a.Name))
		}
	}
}
