package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/tidewire/tidewire/internal/jq"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
)

// A Service is a receiver that is written as one address, such as ntfy://ntfy.sh/topic. [ParseService] makes one.
type Service struct {
	row *service
	to  map[string]any // the parts of the address, as the expression of the row gets them
	// hidden are the parts of the address that may be credentials: all but its host, if that is that of a server.
	hidden []string
}

// A service is a row of the table of services.
type service struct {
	scheme string
	shape  string   // of its address, for people: what is in capitals, they put in
	hosts  []string // at which it takes webhooks, without what is before their last dots
	// query are the names of the parameters that its address may have; "*" stands for any.
	query []string
	// also returns secrets in an address beside its user or password, its path and its query; nil: there are none.
	also func(u *url.URL) []string
	// code makes the request: {url, method, headers, json, form} of {to: {host, user, password, path, query, raw}, message}.
	// What it raises says what is wrong with the address.
	code string
	// refusal says why an answer of success, of which it gets the beginning, was none; nil: it was one.
	refusal func(answer []byte) error

	compile sync.Once
	program *jq.Program // of code
}

// helpers are before the code of each row.
const helpers = `
def lines: [.summary, .text, .link] | map(select(. != "")) | join("\n");
def below: [.text, .link] | map(select(. != "")) | join("\n");
def cut(n): if length > n then .[0:n - 1] + "…" else . end;
def server: (if .query.tls == "none" then "http" else "https" end) + "://" + .host;
def some(what): if (. // "") == "" then error(what) else . end;
def only(n; what): if length == n then . else error(what) end;
def whole(what): if test("^-?[0-9]{1,9}$") then tonumber else error(what) end;
def quiet: def apart: gsub("(?<before>^|[^\\w])@(?<who>\\w)"; "\(.before)@\u200b\(.who)"); .summary |= apart | .text |= apart;
def drop: with_entries(select(.value != null and .value != ""));
.to as $to | def bare(name): if $to.path == [] then . else error("the address of \(name) has a path") end;
.message | try (`

const helped = `) catch {wrong: .}`

// Services are the schemes of the services, with the shapes of their addresses, as the documentation lists them.
func Services() (all [][2]string) {
	for _, s := range services {
		all = append(all, [2]string{s.scheme, s.shape})
	}
	return all
}

// ServiceAt returns the scheme of the service whose webhooks are at a host, and the shape of its addresses; "" if there is
// none.
func ServiceAt(host string) (scheme, shape string) {
	for _, s := range services {
		for _, of := range s.hosts {
			if host == of || strings.HasSuffix(host, "."+of) {
				return s.scheme, s.shape
			}
		}
	}
	return "", ""
}

// An AddressError says what is wrong with the address of a service, without a part of it.
type AddressError struct{ What, Want string }

func (e *AddressError) Error() string { return e.What + ", " + e.Want }

// ErrScheme is returned for an address whose scheme is that of no service.
var ErrScheme = errors.New("the address is of no service that is known")

// ParseService returns the service with that address. The error is an [*AddressError] or [ErrScheme].
func ParseService(address string) (*Service, error) {
	scheme, _, _ := strings.Cut(address, "://")
	i := slices.IndexFunc(services, func(s *service) bool { return s.scheme == strings.ToLower(scheme) })
	if i < 0 {
		return nil, ErrScheme
	}
	row := services[i]
	wrong := func(format string, args ...any) (*Service, error) {
		return nil, &AddressError{fmt.Sprintf(format, args...), "write " + row.shape}
	}
	text, _ := url.PathUnescape(address)
	u, err := url.Parse(address)
	switch {
	case strings.ContainsFunc(address+text, unicode.IsControl):
		return wrong("the address has a line break or another control character")
	case strings.Contains(address, " "):
		return wrong("the address has a space: %%20 stands for it")
	case err != nil:
		return wrong("this is not an address of %s", row.scheme)
	case u.Fragment != "":
		return wrong("the address has a #, which begins a fragment: %%23 stands for it")
	case u.Hostname() == "":
		return wrong("the address of %s has nothing after ://", row.scheme)
	case !httpkind.ValidPort(u.Port()):
		return wrong("the address has a bad port")
	}
	path, ok := segments(u)
	if !ok {
		return wrong("the path of the address has an empty part, or one of dots alone")
	}
	query := map[string]any{}
	for name, values := range u.Query() {
		if !slices.Contains(row.query, name) && !slices.Contains(row.query, "*") {
			return nil, &AddressError{
				fmt.Sprintf("the address of %s has a parameter that there is not", row.scheme), row.parameters(),
			}
		}
		query[name] = values[len(values)-1]
	}
	if tls, ok := query["tls"]; ok && tls != "none" && !slices.Contains(row.query, "*") {
		return wrong("tls of the address is not none")
	}
	password, _ := u.User.Password()
	s := &Service{row: row, to: map[string]any{
		"host": u.Host, "user": u.User.Username(), "password": password, "path": path, "query": query,
		"raw": u.RequestURI(),
	}}
	s.hide(u, path)
	if _, err := s.request(&Sample); err != nil {
		return wrong("%s", err)
	}
	return s, nil
}

// segments are the decoded parts of the path. It returns false if one would change the path of a request.
func segments(u *url.URL) (all []any, ok bool) {
	all = []any{}
	for part := range strings.SplitSeq(strings.Trim(u.EscapedPath(), "/"), "/") {
		plain, err := url.PathUnescape(part)
		switch {
		case part == "" && len(all) == 0 && len(strings.Trim(u.Path, "/")) == 0:
			return all, true
		case err != nil || plain == "" || plain == "." || plain == "..":
			return nil, false
		}
		all = append(all, plain)
	}
	return all, true
}

// hide collects the secrets of the address.
func (s *Service) hide(u *url.URL, path []any) {
	if password, ok := u.User.Password(); ok {
		s.hidden = secret.OfBasic(u.User.Username(), password)
	} else {
		s.hidden = []string{u.User.Username()}
	}
	s.hidden = append(s.hidden, strings.Trim(u.Path, "/"))
	for _, part := range path {
		s.hidden = append(s.hidden, part.(string))
	}
	for name, values := range u.Query() {
		if !slices.Contains(plainParameters, name) {
			s.hidden = append(s.hidden, values...)
		}
	}
	if s.row.also != nil {
		s.hidden = append(s.hidden, s.row.also(u)...)
	}
	s.hidden = slices.DeleteFunc(s.hidden, secret.TooShort)
}

// plainParameters are those whose values are words that also occur elsewhere.
var plainParameters = []string{"priority", "tags", "sound", "tls", "host", "stream", "topic"}

// parameters says which parameters an address may have.
func (s *service) parameters() string {
	if len(s.query) == 0 {
		return "remove what follows the ?"
	}
	return "the parameters are " + strings.Join(s.query, ", ")
}

// Kind is the scheme of the service.
func (s *Service) Kind() string { return s.row.scheme }

// Send makes the request of the service.
func (s *Service) Send(ctx context.Context, client *http.Client, m Message) error {
	r, err := s.request(&m)
	if err != nil {
		return permanent(s.secrets().Error(err))
	}
	return r.send(ctx, client, s.secrets())
}

// Show returns the request for m without what is secret in it.
func (s *Service) Show(m Message) (string, error) {
	r, err := s.request(&m)
	if err != nil {
		return "", s.secrets().Error(err)
	}
	return r.show(s.secrets()), nil
}

func (s *Service) secrets() *secret.Redactor { return secret.New(s.hidden...) }

// request returns what the service is called with.
func (s *Service) request(m *Message) (*request, error) {
	out, err := s.row.run(map[string]any{"to": s.to, "message": m})
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	var made struct {
		URL     string
		Method  string
		Headers map[string]string
		JSON    json.RawMessage
		Form    map[string]string
		Wrong   string // with the address
	}
	if err := json.Unmarshal(data, &made); err != nil {
		return nil, fmt.Errorf("the table of services: %s: %w", s.row.scheme, err)
	}
	if made.Wrong != "" {
		return nil, errors.New(made.Wrong)
	}
	r := &request{method: http.MethodPost, header: http.Header{}, body: made.JSON, refusal: s.row.refusal}
	if r.url, err = url.Parse(made.URL); err != nil {
		return nil, errors.New("this is not an address of " + s.row.scheme)
	}
	if made.Method != "" {
		r.method = made.Method
	}
	r.header.Set("Content-Type", jsonMedia)
	if made.Form != nil {
		form := url.Values{}
		for name, value := range made.Form {
			form.Set(name, value)
		}
		r.header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.body = []byte(form.Encode())
	}
	for name, value := range made.Headers {
		r.header.Set(name, value)
	}
	return r, nil
}

// run evaluates the code of the row.
func (s *service) run(v any) (any, error) {
	s.compile.Do(func() {
		p, err := jq.Compile(helpers + s.code + helped)
		if err != nil {
			panic("notify: the table of services: " + s.scheme + ": " + err.Error())
		}
		s.program = p
	})
	return run(s.program, v)
}

// run evaluates an expression on what is first brought into the form of JSON.
func run(p *jq.Program, v any) (any, error) {
	input, err := plain(v)
	if err != nil {
		return nil, err
	}
	return p.Run(context.Background(), input)
}

// plain returns v as its JSON decodes.
func plain(v any) (any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var decoded any
	numbers := json.NewDecoder(bytes.NewReader(data))
	numbers.UseNumber()
	err = numbers.Decode(&decoded)
	return decoded, err
}
