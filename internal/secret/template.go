package secret

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// HasPlaceholder reports whether a text of a configuration has a placeholder such as {name} in it. Such a text was
// written for people; what is secret is filled in later, and known where that happens.
func HasPlaceholder(text string) bool { return strings.Contains(text, "{") }

// OfProgram returns what is secret in the arguments and the environment of a program, as a configuration has them:
// what has a placeholder is left out. Env has lines of the form NAME=value.
func OfProgram(argv, env []string) (secrets []string) {
	secrets = slices.DeleteFunc(OfArguments(argv), HasPlaceholder)
	for _, variable := range env {
		if name, value, _ := strings.Cut(variable, "="); Is(name, value) && !HasPlaceholder(value) {
			secrets = append(secrets, value)
		}
	}
	return secrets
}

// OfBody returns what is secret in the body of a request, as a configuration has it: the credentials in a form or in
// JSON, without those that have a placeholder, and the whole of any other body.
func OfBody(contentType, body string) (secrets []string) {
	if body == "" {
		return nil
	}
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		if form, err := url.ParseQuery(body); err == nil {
			return slices.DeleteFunc(OfQuery(form), HasPlaceholder)
		}
	}
	var value any
	if json.Unmarshal([]byte(body), &value) != nil {
		return []string{body}
	}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case string:
			if Is(name, v) && !HasPlaceholder(v) {
				secrets = append(secrets, v)
			}
		case []any:
			for _, e := range v {
				walk(name, e)
			}
		case map[string]any:
			for k, e := range v {
				walk(k, e)
			}
		}
	}
	walk("", value)
	return secrets
}
