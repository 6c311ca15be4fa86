package config

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/template"
)

// A notifyDraft is an entry of notify while it is read.
type notifyDraft struct {
	*Notify
	http notify.HTTP
}

func newNotifyDraft(name string) *notifyDraft {
	return &notifyDraft{
		Notify: &Notify{Name: name, GroupWait: groupWait},
		http:   notify.HTTP{Method: http.MethodPost, Header: http.Header{}},
	}
}

// groupWait is the default of group_wait.
const groupWait = 5 * time.Second

func notifyKeys(to *notifyDraft, where string) grammar.Keys {
	return grammar.Keys{
		grammar.Section("http",
			"a webhook to call when an alert begins and when it ends. An address alone is `http.url`",
			"http of "+where, webhookKeys(&to.http, where)).
			Short("url").Also("webhook url slack discord ntfy").Need("").Secret().
			Alone(func(v *grammar.Node) { readHookAlone(v, &to.http, where) }),
	}
}

func webhookKeys(to *notify.HTTP, where string) grammar.Keys {
	return grammar.Keys{
		grammar.Func("url",
			"`http://` or `https://`, without a user",
			httpkind.AddressShape, func(v *grammar.Node) { to.URL = readHookURL(v) }).
			Secret().Need("https://ntfy.example.com/ops"),
		grammar.OneOf("method", "the request's method", &to.Method, hookMethods).Default(http.MethodPost),
		grammar.Func("headers",
			"sent with each call; not `Host`, `Connection`, `Content-Length`, `Transfer-Encoding` and `Trailer`",
			httpkind.HeadersShape, func(v *grammar.Node) { readHookHeaders(v, to, where) }).Secret(),
		grammar.Func("body",
			"the body. `{source}`, `{title}`, `{state}`, `{value}`, `{error}` and `{since}` stand for those of "+
				"the alert, as in `url` and `headers`; the default is a JSON object of all of them",
			grammar.AnyText, func(v *grammar.Node) { to.Body = readHookBody(v) }).Secret(),
	}
}

// readNotify reads one entry of notify. It returns nil if that has no address, so that alerts do not report it again.
func readNotify(e grammar.Named) *Notify {
	where := "notify " + grammar.Quote(e.Name)
	to := newNotifyDraft(e.Name)
	e.Value.Read(where, notifyKeys(to, where))
	if e.Value.Lacks("http") {
		e.Key.Problem(where+" does not say how", "add an address such as http: https://ntfy.example.com/ops")
	}
	hook := e.Value.Get("http")
	checkHeaderTemplates(hook.Get("headers"), notify.IsField)
	if body := hook.Get("body"); body != nil && body.IsScalar() && !body.IsNull() && !body.IsSpoiled() {
		checkBody(body, to.http.Header, notify.TextMedia, notify.IsField)
	}
	if to.http.URL == nil {
		return nil
	}
	to.http.Given = e.Value.Given("http")
	to.Receiver = &to.http
	return to.Notify
}

// readHookAlone reads a webhook that is written as an address alone.
func readHookAlone(n *grammar.Node, to *notify.HTTP, where string) {
	if n.IsScalar() && !n.IsNull() {
		to.URL = readHookURL(n)
		return
	}
	n.Read("http of "+where, webhookKeys(to, where))
}

func readHookHeaders(n *grammar.Node, to *notify.HTTP, where string) {
	httpkind.ReadHeaders(n, "headers of "+where, to.Header)
	for _, v := range n.Pairs() {
		checkHookPlaceholders(v, "headers")
	}
}

func readHookBody(n *grammar.Node) string {
	s, ok := n.Text("body", aBody)
	if ok {
		checkHookPlaceholders(n, "body")
	}
	return s
}

// readHookURL reads the address of a webhook. It is often a credential, so problems never quote it.
func readHookURL(n *grammar.Node) *url.URL {
	const example = "write an address such as https://ntfy.example.com/ops"
	s, ok := n.Text("url", example)
	if !ok {
		return nil
	}
	u, err := url.Parse(s)
	_, rest, _ := strings.Cut(s, "://")
	host, _, _ := strings.Cut(rest, "/")
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"):
		n.Problem("url contains a user name or password",
			"write credentials into headers such as {Authorization: Bearer ...}")
	case len(template.Find(host)) > 0 && !strings.ContainsAny(host, "?#"):
		n.Problem("url has a placeholder in its host", "write it into the path or the query")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		n.Problem("url is not an http or https address", example)
	case u.Fragment != "":
		n.Problem("url has a fragment", "leave it out; it is not sent")
	case !httpkind.ValidPort(u.Port()):
		n.Problem("url has a bad port", "write a port from 1 to 65535")
	default:
		checkHookPlaceholders(n, "url")
		if wrong := notify.CheckAddress(u); wrong != nil {
			n.Problem("url: "+wrong.What, wrong.Want)
		}
		return u
	}
	return nil
}
