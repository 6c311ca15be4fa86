package explore

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/secret"
)

// A Draft is a source, and the upstream that it asks, that are not in a configuration yet.
type Draft struct {
	Name     string // of the source
	Way      grammar.Pair
	Upstream *UpstreamDraft // nil: it needs none, or there is one

	Parse string // the format of the answer; empty: that of the kind
	Every string // a duration
	Title string
	Split *Split // nil: it is one source
	Picks []Pick // none: all; of a row, if it is split
	Show  string // the name of the pick that is shown large; empty: there is none
	Unit  string // empty: there is none

	IsNumber bool // what is shown large
}

// A Split makes a source of each row of the value, by jq expressions.
type Split struct {
	Each  string // gives the rows
	Name  string // of a row: the name of its source
	Title string // of a row: its title; empty: none
}

// An UpstreamDraft is an upstream that is not in a configuration yet.
type UpstreamDraft struct {
	Name string
	Keys grammar.Mapping
}

// A Pick is one value that a source takes. Its name is empty if it is the only one and stands alone. Its texts may have keys of
// an answer in them, so what looks like a reference there is none.
type Pick struct {
	Name       string
	Expression string // of jq; with a selector, what makes the value of the text of the element, empty: nothing
	Selector   string // of a page of HTML
}

// entry returns the source with some of its keys exchanged: parse, pick and split.
func (d *Draft) entry(parse, pick any, split *Split) grammar.Mapping {
	var m grammar.Mapping
	add := func(key, value string) {
		if value != "" {
			m = append(m, grammar.Pair{Key: key, Value: value})
		}
	}
	add("title", d.Title)
	m = append(m, d.Way)
	add("every", d.Every)
	if parse != nil {
		m = append(m, grammar.Pair{Key: "parse", Value: parse})
	}
	if split != nil {
		keys := grammar.Mapping{{Key: "each", Value: escape(split.Each)}, {Key: "name", Value: escape(split.Name)}}
		if split.Title != "" {
			keys = append(keys, grammar.Pair{Key: "title", Value: escape(split.Title)})
		}
		m = append(m, grammar.Pair{Key: "split", Value: keys})
	}
	if pick != nil {
		m = append(m, grammar.Pair{Key: "pick", Value: pick})
	}
	return m
}

// show returns how the value is presented, empty if nothing is known of that.
func (d *Draft) show() (show grammar.Mapping) {
	if d.Show != "" {
		show = append(show, grammar.Pair{Key: "value", Value: d.Show})
	}
	if d.Unit != "" {
		show = append(show, grammar.Pair{Key: "unit", Value: d.Unit})
	}
	if d.IsNumber {
		show = append(show, grammar.Pair{Key: "history", Value: "24h"})
	}
	return show
}

// usualParse is the format of a source that does not say it.
func (d *Draft) usualParse() string {
	if name, _ := d.Way.Value.(string); d.Way.Key == "http" || strings.HasSuffix(name, ".json") {
		return "json"
	}
	return "text"
}

// Write returns the text of a configuration with the draft in it, beside all that it had. An empty text becomes one.
func (d *Draft) Write(text []byte) ([]byte, error) {
	source := d.entry(d.parse(), d.pick(), d.Split)
	if show := d.show(); show != nil {
		source = append(source, grammar.Pair{Key: "show", Value: show})
	}
	return d.write(text, source)
}

// parse returns the value of the key parse, nil if there is none.
func (d *Draft) parse() any {
	var selectors grammar.Mapping
	for _, p := range d.Picks {
		if p.Selector != "" {
			selectors = append(selectors, grammar.Pair{Key: p.Name, Value: escape(p.Selector)})
		}
	}
	switch {
	case selectors != nil:
		return grammar.Mapping{{Key: "html", Value: selectors}}
	case d.Parse == "" || d.Parse == d.usualParse():
		return nil
	}
	return d.Parse
}

// pick returns the value of the key pick, nil if there is none.
func (d *Draft) pick() any {
	if len(d.Picks) == 1 && d.Picks[0].Name == "" {
		return escape(d.Picks[0].Expression)
	}
	var fields grammar.Mapping
	made := false // of what selectors find
	for _, p := range d.Picks {
		expression := p.Expression
		if p.Selector != "" {
			expression = place{}.member(p.Name).path
			if p.Expression != "" {
				expression += " | " + p.Expression
			}
		}
		made = made || p.Expression != ""
		fields = append(fields, grammar.Pair{Key: p.Name, Value: escape(expression)})
	}
	if !made {
		return nil // all that is found
	}
	return fields
}

// An Answer is the value of the source of [Draft.Probe]: of one that makes a request what came back, of others the text alone.
type Answer struct {
	Body   string  `json:"body"`
	Status int     `json:"status"` // 0: it was no request, as for the others
	Media  string  `json:"media"`  // its Content-Type
	Took   float64 `json:"took"`   // seconds
	Cert   *struct {
		Days            int
		Subject, Issuer string
	} `json:"cert"`
}

// UnmarshalJSON reads the value of any source of [Draft.Probe].
func (a *Answer) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &a.Body) == nil {
		return nil
	}
	type plain Answer
	return json.Unmarshal(data, (*plain)(a))
}

// Probe returns what Write does, with a source whose value is an [Answer].
func (d *Draft) Probe(text []byte) ([]byte, error) {
	probe := *d
	probe.Title, probe.Every = "", ""
	var pick any
	if d.Way.Key == "http" {
		pick = grammar.Mapping{
			{Key: "body", Value: "."}, {Key: "status", Value: "$status"}, {Key: "media", Value: `$headers["content-type"]`},
			{Key: "took", Value: "$took"}, {Key: "cert", Value: "$cert"},
		}
	}
	return d.write(text, probe.entry("text", pick, nil))
}

func (d *Draft) write(text []byte, source grammar.Mapping) ([]byte, error) {
	var err error
	if d.Upstream != nil {
		if text, err = grammar.Insert(text, "upstreams", d.Upstream.Name, d.Upstream.Keys); err != nil {
			return nil, err
		}
	}
	return grammar.Insert(text, "sources", d.Name, source)
}

// A Secret is a credential that a draft does not have, but a reference to the environment in its place.
type Secret struct{ Variable, Value string }

// A Request is an address with what is sent along. Texts may have references such as ${env:KEY}.
type Request struct {
	URL    *url.URL
	Header http.Header
	Bearer string // empty: none
	User   *url.Userinfo
	Extra  grammar.Mapping // further keys of the upstream
}

// Base is the address of the upstream: that of the server.
func (r Request) Base() string { return r.URL.Scheme + "://" + r.URL.Host }

// Draft returns the draft of a source that makes the request. Taken report whether an upstream or a source has a name already.
// The upstream is that of the name known, unless that is empty. Credentials that are not references yet become some: secrets
// are what they stand for.
func (r Request) Draft(known string, takenUpstream, takenSource func(string) bool) (d *Draft, secrets []Secret) {
	name := known
	if name == "" {
		name = free(hostName(r.URL.Hostname()), "-", takenUpstream)
	}
	hide := func(what, value string) string {
		if value == "" || strings.Contains(value, "${") {
			return value
		}
		variable := strings.ToUpper(clean(name, "_") + "_" + clean(what, "_"))
		variable = free(variable, "_", func(s string) bool {
			return slices.ContainsFunc(secrets, func(other Secret) bool { return other.Variable == s && other.Value != value })
		})
		if !slices.Contains(secrets, Secret{variable, value}) {
			secrets = append(secrets, Secret{variable, value})
		}
		return "${env:" + variable + "}"
	}
	d = &Draft{Name: free(sourceName(r.URL.Path, name), "-", takenSource)}
	if known == "" {
		d.Upstream = &UpstreamDraft{Name: name, Keys: r.upstream(hide)}
	}
	ask := grammar.Mapping{{Key: "upstream", Value: name}}
	if p := r.URL.EscapedPath(); p != "" && p != "/" {
		ask = append(ask, grammar.Pair{Key: "path", Value: p})
	}
	var query grammar.Mapping
	values := r.URL.Query()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		texts := slices.Clone(values[key])
		for i, text := range texts {
			if secret.Is(key, text) {
				texts[i] = hide(key, text)
			}
		}
		if len(texts) == 1 {
			query = append(query, grammar.Pair{Key: key, Value: texts[0]})
		} else {
			query = append(query, grammar.Pair{Key: key, Value: texts})
		}
	}
	if query != nil {
		ask = append(ask, grammar.Pair{Key: "query", Value: query})
	}
	d.Way = grammar.Pair{Key: "http", Value: ask}
	return d, secrets
}

// upstream returns the keys of the upstream. Hide returns what stands for a credential.
func (r Request) upstream(hide func(what, value string) string) grammar.Mapping {
	keys := append(grammar.Mapping{{Key: "http", Value: r.Base()}}, r.Extra...)
	if r.Bearer != "" {
		keys = append(keys, grammar.Pair{Key: "bearer", Value: hide("token", r.Bearer)})
	}
	if user := r.User; user != nil {
		password, _ := user.Password()
		keys = append(keys, grammar.Pair{Key: "auth", Value: grammar.Mapping{{Key: "basic", Value: grammar.Mapping{
			{Key: "user", Value: escape(user.Username())}, {Key: "password", Value: hide("password", password)},
		}}}})
	}
	var header grammar.Mapping
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		text := strings.Join(r.Header[name], ", ")
		if secret.Names(name) {
			text = hide(name, text)
		}
		header = append(header, grammar.Pair{Key: name, Value: text})
	}
	if header != nil {
		keys = append(keys, grammar.Pair{Key: "headers", Value: header})
	}
	return keys
}

// UseDigest has the upstream give its user and password by the scheme Digest instead of Basic. It reports false if it gives none.
func (d *Draft) UseDigest() bool {
	if d.Upstream == nil {
		return false
	}
	for i, pair := range d.Upstream.Keys {
		auth, ok := pair.Value.(grammar.Mapping)
		if pair.Key == "auth" && ok && auth[0].Key == "basic" {
			d.Upstream.Keys[i].Value = grammar.Mapping{{Key: "digest", Value: auth[0].Value}}
			return true
		}
	}
	return false
}

// escape returns a text that a configuration reads as text, whatever is in it.
func escape(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// hostName returns a name for the upstream at a host.
func hostName(host string) string {
	if ip := net.ParseIP(host); ip != nil {
		if ip.IsLoopback() {
			return "local"
		}
		return "device"
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" {
		return "local"
	}
	labels := strings.Split(host, ".")
	for _, label := range labels[:max(1, len(labels)-1)] {
		if general[label] && len(labels) > 1 {
			continue
		}
		if name := clean(label, "-"); name != "" {
			return name
		}
	}
	return "upstream"
}

// general are parts of addresses that many have.
var general = map[string]bool{
	"": true, "www": true, "api": true, "rest": true, "json": true, "data": true, "rpc": true, "public": true, "latest": true, "index": true,
}

var version = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*$`)

// sourceName returns a name for a source at a path, or of a file.
func sourceName(p, otherwise string) string {
	segments := strings.Split(p, "/")
	for _, segment := range slices.Backward(segments) {
		name := clean(strings.TrimSuffix(segment, path.Ext(segment)), "-")
		if name != "" && !general[name] && !version.MatchString(name) {
			return name
		}
	}
	return otherwise
}

// OfFile returns the draft of a source that reads a file, named as the configuration is to have it.
func OfFile(name string, taken func(string) bool) *Draft {
	return &Draft{Name: free(sourceName(name, "file"), "-", taken), Way: grammar.Pair{Key: "file", Value: escape(name)}}
}

// OfCommand returns the draft of a source that runs a program.
func OfCommand(argv []string, taken func(string) bool) *Draft {
	escaped := make([]string, len(argv))
	for i, arg := range argv {
		escaped[i] = escape(arg)
	}
	return &Draft{Name: free(sourceName(argv[0], "command"), "-", taken), Way: grammar.Pair{Key: "exec", Value: escaped}}
}
