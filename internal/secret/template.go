package secret

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// HasPlaceholder reports whether a text of a configuration contains a placeholder such as {name}. Such a text is not
// secret itself: secrets are filled in later, where they are known.
func HasPlaceholder(text string) bool { return strings.Contains(text, "{") }

// OfProgram returns the secrets in the arguments and the environment of a program in a configuration, without those
// that contain a placeholder. Env has lines of the form NAME=value.
func OfProgram(argv, env []string) (secrets []string) {
	secrets = slices.DeleteFunc(OfArguments(argv), HasPlaceholder)
	for _, variable := range env {
		if name, value, _ := strings.Cut(variable, "="); Is(name, value) && !HasPlaceholder(value) {
			secrets = append(secrets, value)
		}
	}
	return secrets
}

// texts matches the texts in an expression, with the names of members that they are the values of.
var texts = regexp.MustCompile(`(?:([\w-]+|"[^"]*")\s*:\s*)?"((?:[^"\\]|\\.)*)"`)

// OfExpression returns the texts in a jq expression that may be credentials.
func OfExpression(expression string) (secrets []string) {
	for _, m := range texts.FindAllStringSubmatch(expression, -1) {
		if Is(strings.Trim(m[1], `"`), m[2]) {
			secrets = append(secrets, m[2])
		}
	}
	return secrets
}

// OfBody returns the secrets in the body of a request in a configuration: the credentials in a form or in JSON, without
// those that contain a placeholder, and the whole of any other body.
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
