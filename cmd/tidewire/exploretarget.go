package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/explore"
	"github.com/tidewire/tidewire/internal/grammar"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
)

// target makes the draft of a source of what the arguments name.
func (e *explorer) target(args []string, isCommand bool) (err error) {
	switch {
	case e.parse != "" && !slices.Contains(config.Formats(), e.parse):
		return usageError(fmt.Sprintf("--parse %s is none of %s", e.parse, strings.Join(config.Formats(), ", ")))
	case len(args) == 0:
		return usageError("say what to explore: an address such as http://10.0.0.9/status, a file, or -- and a command")
	case isCommand:
		e.draft = explore.OfCommand(args, e.hasSource)
	case len(args) > 1:
		return usageError("there are too many arguments: write -- before a command, and quote an address with & in it")
	case strings.HasPrefix(args[0], "http://") || strings.HasPrefix(args[0], "https://"):
		err = e.address(args[0])
	default:
		err = e.ofFile(args[0])
	}
	if err != nil {
		return err
	}
	if e.name != "" {
		if err := e.checkName(e.name); err != nil {
			return usageError("--name: " + err.Error())
		}
		e.draft.Name = e.name
	}
	if flag := e.httpFlag(); flag != "" && !e.isHTTP {
		return usageError("--" + flag + " is for an address")
	}
	return nil
}

// checkName returns why the source cannot have a name.
func (e *explorer) checkName(name string) error {
	switch {
	case !grammar.IsName(name):
		return fmt.Errorf("%q is not a name: %s", name, grammar.AName)
	case e.hasSource(name):
		return fmt.Errorf("%s already has a source %s", e.file, name)
	}
	return nil
}

// httpFlag returns a flag that says how to ask a server, empty if there is none.
func (e *explorer) httpFlag() string {
	switch {
	case len(e.headers) > 0:
		return "header"
	case e.bearer != "":
		return "bearer"
	case e.unix != "":
		return "unix"
	case e.ca != "":
		return "ca"
	case e.insecure:
		return "insecure"
	case e.link:
		return "allow-link-local"
	}
	return ""
}

// ofFile makes the draft of a file.
func (e *explorer) ofFile(name string) error {
	if _, err := os.Stat(name); err != nil {
		if scheme, _, ok := strings.Cut(name, "://"); ok {
			return fmt.Errorf("explore asks http:// and https:// addresses, not those of %s", scheme)
		}
		if errors.Is(err, os.ErrNotExist) && (strings.Contains(name, ".") || strings.Contains(name, ":")) && !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, ".") {
			return fmt.Errorf("there is no file %s: if it is an address, write http://%s", name, name)
		}
		return fmt.Errorf("explore a file: %w", err)
	}
	named, err := e.fromFile(name)
	if err != nil {
		return err
	}
	e.draft = explore.OfFile(named, e.hasSource)
	return nil
}

// fromFile returns the path of a file as the configuration is to have it: relative to itself, if the file is below it.
func (e *explorer) fromFile(name string) (string, error) {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	base, err := filepath.Abs(filepath.Dir(e.file))
	if err != nil {
		return "", err
	}
	if relative, err := filepath.Rel(base, absolute); err == nil && filepath.IsLocal(relative) {
		return filepath.ToSlash(relative), nil
	}
	return absolute, nil
}

// address makes the draft of a request.
func (e *explorer) address(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return usageError("the address cannot be read: write one such as http://10.0.0.9/status, in quotes if it has & in it")
	}
	r := explore.Request{URL: u, Header: http.Header{}, Bearer: e.bearer, User: u.User}
	e.asks = e.bearer != "" || u.User != nil
	for _, header := range e.headers {
		name, value, ok := strings.Cut(header, ":")
		if name = strings.TrimSpace(name); !ok || !httpkind.HeaderName.MatchString(name) {
			return usageError("--header: write it as in 'Accept: text/csv'")
		}
		r.Header.Add(name, strings.TrimSpace(value))
		e.asks = e.asks || secret.Names(name)
	}
	if e.unix != "" {
		r.Extra = append(r.Extra, grammar.Pair{Key: "unix", Value: e.unix})
	}
	var tls grammar.Mapping
	if e.ca != "" {
		path, err := e.fromFile(e.ca)
		if err != nil {
			return err
		}
		tls = append(tls, grammar.Pair{Key: "ca", Value: path})
	}
	if e.insecure {
		tls = append(tls, grammar.Pair{Key: "insecure", Value: true})
	}
	if tls != nil {
		r.Extra = append(r.Extra, grammar.Pair{Key: "tls", Value: tls})
	}
	if e.link {
		r.Extra = append(r.Extra, grammar.Pair{Key: "allow_link_local", Value: true})
	}
	known, path := "", ""
	if e.httpFlag() == "" && u.User == nil {
		known, path = e.upstreamAt(r)
	}
	if known != "" {
		rest := *u
		rest.RawPath = strings.TrimPrefix(u.EscapedPath(), path)
		if rest.Path, err = url.PathUnescape(rest.RawPath); err != nil {
			return usageError("the path of the address cannot be read: " + err.Error())
		}
		r.URL = &rest
		e.note("%s is the upstream %s of %s", r.Base()+path, known, e.file)
	}
	e.draft, e.secrets = r.Draft(known, e.hasUpstream, e.hasSource)
	e.isHTTP = true
	return nil
}

// upstreamAt returns the name of the upstream that a request can be made to, and the path of its address: of several the one whose
// path is the longest that the request's begins with. The name is empty if there is none.
func (e *explorer) upstreamAt(r explore.Request) (name, path string) {
	for _, u := range e.exist.Upstreams {
		spec, ok := u.Spec.(*httpkind.Upstream)
		if !ok || !strings.EqualFold(spec.URL.Scheme+"://"+spec.URL.Host, r.Base()) {
			continue
		}
		whole, of := cmp.Or(r.URL.EscapedPath(), "/"), cmp.Or(spec.URL.EscapedPath(), "/")
		below := strings.TrimSuffix(of, "/")
		if (whole == of || strings.HasPrefix(whole, below+"/")) && (name == "" || len(below) > len(path)) {
			name, path = u.Name, below
		}
	}
	return name, path
}
