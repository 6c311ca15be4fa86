package config

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind/exec"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/template"
)

const (
	groupWait    = 5 * time.Second // the default of group_wait
	maxGroupWait = time.Hour
)

// A notifyDraft is an entry of notify while it is read.
type notifyDraft struct {
	*Notify
	where   string // names it in messages
	http    notify.HTTP
	url     *url.URL        // of http, without an upstream
	service *notify.Service // by url; nil: none, or url is that of a webhook
	mail    notify.Mail
	exec    notify.Exec
}

func newNotifyDraft(name string) *notifyDraft {
	return &notifyDraft{
		Notify: &Notify{Name: name, GroupWait: groupWait},
		where:  "notify " + grammar.Quote(name),
		http:   notify.HTTP{Request: httpkind.Request{Method: http.MethodPost, Header: http.Header{}}},
		mail:   notify.Mail{TLS: notify.StartTLS},
	}
}

// ways are the keys of which an entry of notify has exactly one.
var ways = []string{"url", "http", "mail", "exec"}

func (r *reader) notifyKeys(to *notifyDraft) grammar.Keys {
	return grammar.Keys{
		grammar.Func("url",
			"the address of a [service](#services) such as `ntfy://ntfy.sh/TOPIC`, or of a webhook. It can stand in place of "+
				"the mapping",
			serviceShape, to.readURL).
			Also("address service shoutrrr apprise").OneOf().Secret(),
		grammar.Section("http",
			"a webhook. An address alone is `http.url`",
			"http of "+to.where, r.webhookKeys(to)).
			Short("url").Also("webhook slack discord ntfy").OneOf().Secret().
			Alone(func(v *grammar.Node) { r.readWebhookAlone(v, to) }),
		grammar.Section("mail", "an e-mail", "mail of "+to.where, mailKeys(&to.mail)).
			Also("smtp email").OneOf().Then(func(v *grammar.Node) { checkMail(v, &to.mail) }),
		grammar.Func("exec",
			"run a program, which gets the message as JSON on its standard input. Placeholders stand for what they do in "+
				"`http.body`. Exit status 0 means that it was told",
			exec.ArgvShape, func(v *grammar.Node) { to.exec.Argv = r.readNotifyArgv(v) }).
			Also("command cmd run script").OneOf(),
		grammar.Duration("group_wait",
			"how long a message about sources of one upstream waits for more of them, at most `1h`; twelve times that in "+
				"all. Alerts of other sources and of jobs do not wait",
			&to.GroupWait).Default("5s"),
	}
}

// serviceShape is that of an address alone.
var serviceShape = grammar.Like("write the address of a service such as ntfy://ntfy.sh/topic, or one of http or https",
	"^("+anyCase(strings.Join(schemes(), "|")+"|https?")+")://")

// anyCase returns a pattern, in which letters stand for themselves, for letters of either case.
func anyCase(pattern string) string {
	return letter.ReplaceAllStringFunc(pattern, func(c string) string { return "[" + c + strings.ToUpper(c) + "]" })
}

var letter = regexp.MustCompile("[a-z]")

// notifyEntryShape is that of an entry of notify.
func (r *reader) notifyEntryShape() grammar.Shape {
	return grammar.Either(serviceShape, grammar.Object(r.notifyKeys(newNotifyDraft(""))))
}

// schemes are those of the services.
func schemes() (all []string) {
	for _, s := range notify.Services() {
		all = append(all, s[0])
	}
	return all
}

func (r *reader) webhookKeys(d *notifyDraft) grammar.Keys {
	to, where := &d.http, d.where
	return grammar.Keys{
		grammar.Func("url",
			"`http://` or `https://`, without a user; or `upstream` with `path`",
			httpkind.AddressShape, func(v *grammar.Node) { d.url = readWebhookURL(v) }).
			Secret().OneOf(),
		grammar.Func("upstream",
			"one of `upstreams`, with its credential, its certificates and its limits",
			grammar.ALine, func(v *grammar.Node) { r.readWebhookUpstream(v, d) }).OneOf(),
		grammar.Func("path",
			"with `upstream`: begins with `/`, is joined to the upstream's path; no `..`, no query. Placeholders stand for what "+
				"the message says",
			httpkind.PathShape, func(v *grammar.Node) { to.Path = readWebhookPath(v) }).With("upstream").Secret(),
		grammar.Func("query",
			"with `upstream`: the query; a list of texts repeats the parameter. Placeholders stand for what the message says",
			httpkind.QueryShape, func(v *grammar.Node) { to.Query = readWebhookQuery(v, where) }).With("upstream").Also("params").Secret(),
		grammar.OneOf("method", "the request's method", &to.Method, webhookMethods).Default(http.MethodPost),
		grammar.Func("headers",
			"sent with each call; not `Host`, `Connection`, `Content-Length`, `Transfer-Encoding` and `Trailer`",
			httpkind.HeadersShape, func(v *grammar.Node) { readWebhookHeaders(v, to, where) }).Secret(),
		grammar.Func("json",
			"a jq expression that makes the body, an object or a list, of the [message](#what-a-receiver-is-told)",
			grammar.ALine, func(v *grammar.Node) { to.JSON = readWebhookJSON(v) }).Also("payload template").Without("body").Secret(),
		grammar.Func("body",
			"the body as text, in which [placeholders](#what-a-receiver-is-told) stand for what the message says, as in `url` and "+
				"`headers`. With neither `json` nor `body` it is the message as JSON",
			grammar.AnyText, func(v *grammar.Node) { to.Body = readWebhookBody(v) }).Without("json").Secret(),
	}
}

// readNotify reads one entry of notify. It returns nil if that has problems, so that alerts do not report them again.
func (r *reader) readNotify(e grammar.Named) *Notify {
	to := newNotifyDraft(e.Name)
	if e.Value.IsScalar() && !e.Value.IsNull() {
		to.readURL(e.Value)
		return to.of("", e.Value)
	}
	e.Value.Read(to.where, r.notifyKeys(to))
	if to.GroupWait > maxGroupWait {
		e.Value.Get("group_wait").Problem("group_wait is too long", "write a duration of at most 1h")
	}
	var has []string
	for _, way := range ways {
		if e.Value.Get(way) != nil {
			has = append(has, way)
		}
	}
	switch {
	case len(has) == 1:
		return to.of(has[0], e.Value)
	case len(has) > 1:
		e.Key.Problem(to.where+" has "+grammar.List(has, "and"), "keep one of them, and write another entry for the other")
	case e.Value.Lacks(ways...):
		e.Key.Problem(to.where+" does not say how", "add exactly one of "+grammar.List(ways, "and")+", such as url: ntfy://ntfy.sh/topic")
	}
	return nil
}

// of completes the entry by the one way that it has; n is its value.
func (to *notifyDraft) of(way string, n *grammar.Node) *Notify {
	switch {
	case way == "mail" && to.mail.From != nil && len(to.mail.To) > 0:
		to.Receiver = &to.mail
	case way == "exec" && len(to.exec.Argv) > 0:
		to.exec.Given = n.Given("exec")
		to.Receiver = &to.exec
	case to.service != nil:
		to.Receiver = to.service
	case to.completeAddress(n.Get("http")):
		to.http.Given = n.Given("http")
		checkWebhook(n.Get("http"), &to.http)
		if scheme, shape := notify.ServiceAt(to.http.Upstream.URL.Hostname()); scheme != "" && to.http.Body == "" && to.http.JSON == nil {
			n.Warn(0, to.where+": "+scheme+" does not understand the JSON of a message", "write "+shape)
		}
		to.Receiver = &to.http
	default:
		return nil
	}
	return to.Notify
}

// readURL reads the address of a service, or of a webhook. It is often a credential, so problems never quote it.
func (to *notifyDraft) readURL(n *grammar.Node) {
	n.Conceal()
	const example = "write an address such as ntfy://ntfy.sh/topic"
	s, ok := n.Text(to.where, example)
	if !ok {
		return
	}
	scheme, _, found := strings.Cut(s, "://")
	if scheme = strings.ToLower(scheme); found && (scheme == "http" || scheme == "https") {
		to.url = readWebhookURL(n)
		return
	}
	service, err := notify.ParseService(s)
	switch wrong, bad := errors.AsType[*notify.AddressError](err); {
	case err == nil:
		to.service = service
	case bad && n.HasReferences(): // then Problem leaves out what is wrong, in which there may be a secret; here there is none
		n.Problem(wrong.What, wrong.What+"; "+wrong.Want)
	case bad:
		n.Problem(wrong.What, wrong.Want)
	case found && isWord(scheme) && n.IsWritten(scheme):
		n.Problem(to.where+": there is no service "+grammar.Quote(scheme), suggestService(scheme))
	default:
		n.Problem(to.where+" is not an address", example)
	}
}

// isWord reports whether s is a short word, and so no credential.
func isWord(s string) bool {
	return len(s) > 0 && len(s) < 16 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

// suggestService says what to write in place of an unknown scheme.
func suggestService(scheme string) string {
	switch scheme {
	case "smtp", "smtps", "mailto", "mailtos":
		return "write mail: {host: …, from: …, to: …}"
	case "ntfys", "gotifys", "matrixs":
		return "TLS is the default: write " + strings.TrimSuffix(scheme, "s") + "://"
	case "generic", "json", "jsons", "xml", "form":
		return "write http: {url: https://…, json: …}"
	}
	if here := otherSchemes[scheme]; here != "" {
		return "write " + here + ":// as in the table of services"
	}
	return grammar.Suggest(scheme, "services", schemes())
}

// otherSchemes are those of other programs for the services.
var otherSchemes = map[string]string{
	"tgram": "telegram", "mmost": "mattermost", "mmosts": "mattermost", "rocket": "rocketchat", "rockets": "rocketchat",
	"pover": "pushover", "msteams": "teams", "workflow": "teams", "workflows": "teams", "gchat": "googlechat",
	"hangouts": "googlechat",
}

// checkWebhook checks what depends on several keys of a webhook, which was read from n; nil if it was an address alone.
func checkWebhook(n *grammar.Node, to *notify.HTTP) {
	httpkind.CheckHeaders(n.Get("headers"), notify.IsField)
	body, made := n.Get("body"), n.Get("json")
	if body != nil && made != nil {
		made.Problem("http has body and json", "keep one of them")
		return
	}
	header := to.Header.Clone()
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", to.Upstream.Header.Get("Content-Type"))
	}
	if body != nil && body.IsScalar() && !body.IsNull() && !body.IsSpoiled() {
		httpkind.CheckBody(body, cmp.Or(header.Get("Content-Type"), notify.TextMedia), notify.IsField)
	}
	to.Computed = n.Expressions()
	if to.JSON == nil && to.Computed == nil || !n.IsGood() {
		return
	}
	switch err := to.Try(); {
	case err != nil && made == nil:
		n.Problem("http does not do for each message: "+err.Error(),
			"write expressions that give a result also if .alerts[0].value is null")
	case err != nil:
		made.Problem("json does not do for each message: "+err.Error(),
			"write an expression that gives an object or a list, as in {text: .summary}, also if .alerts[0].value is null")
	}
}

// readWebhookAlone reads a webhook that is written as an address alone.
func (r *reader) readWebhookAlone(n *grammar.Node, to *notifyDraft) {
	if n.IsScalar() && !n.IsNull() {
		to.url = readWebhookURL(n)
		return
	}
	n.Read("http of "+to.where, r.webhookKeys(to))
}

func readWebhookHeaders(n *grammar.Node, to *notify.HTTP, where string) {
	httpkind.ReadRequestHeaders(n, "headers of "+where, to.Header)
	for _, v := range n.Pairs() {
		checkWebhookPlaceholders(v, "headers")
	}
}

func readWebhookBody(n *grammar.Node) string {
	s, ok := n.Template("body", aBody)
	if ok {
		checkWebhookPlaceholders(n, "body")
	}
	return s
}

// readWebhookJSON reads the expression for the body of a webhook. It may have credentials in it, so problems do not quote its
// texts.
func readWebhookJSON(n *grammar.Node) *jq.Program {
	s, ok := n.Text("json", "write an expression in quotes such as '{text: .summary}'")
	if !ok {
		return nil
	}
	p, err := jq.Compile(s)
	if err == nil {
		return p
	}
	offset, message := 0, err.Error()
	if e, ok := errors.AsType[*jq.SyntaxError](err); ok {
		offset, message = e.Offset, e.Message
	}
	hidden := secret.New(secret.OfExpression(s)...)
	if n.HasReferences() || hidden.Text(message) != message {
		message = "it is wrong at this place"
	}
	n.ProblemAt(offset, "json is not valid jq: "+message, "write an expression such as {text: .summary}")
	return nil
}

// readWebhookURL reads the address of a webhook. It is often a credential, so problems never quote it.
func readWebhookURL(n *grammar.Node) *url.URL {
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
		checkWebhookPlaceholders(n, "url")
		checkWebhookPath(n, "url", notify.At(u).Path)
		return u
	}
	return nil
}
