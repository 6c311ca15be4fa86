package secret

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// plainHeader are the names of headers whose values are no credentials.
var plainHeader = []string{"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "user-agent"}

// OfNamed returns the values of a header that are credentials ([Is]), and the parts of those.
func OfNamed(header map[string][]string) (secrets []string) {
	named := map[string][]string{}
	for name, values := range header {
		for _, value := range values {
			if Is(name, value) {
				named[name] = append(named[name], value)
			}
		}
	}
	return OfHeader(named)
}

// OfHeader returns what is secret in the header of a request: every value but those of a few
// names such as Accept and Api-Version, and the parts of a credential. Names may have either case.
func OfHeader(header map[string][]string) (secrets []string) {
	for name, values := range header {
		if lower := strings.ToLower(name); slices.Contains(plainHeader, lower) || strings.HasSuffix(lower, "version") {
			continue
		}
		for _, value := range values {
			secrets = append(secrets, value)
			if scheme, credential, ok := strings.Cut(value, " "); ok {
				secrets = append(secrets, strings.TrimSpace(credential))
				if strings.EqualFold(scheme, "basic") {
					secrets = append(secrets, ofBasic(credential)...)
				}
			}
		}
	}
	return secrets
}

// ofBasic returns what a credential of the scheme Basic is made of (RFC 7617).
func ofBasic(credential string) []string {
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(credential), "="))
	if err != nil {
		return nil
	}
	user, password, _ := strings.Cut(string(plain), ":")
	return OfBasic(user, password)
}

// OfBasic returns what is secret of a user and a password: the password, both together, and
// both as the scheme Basic encodes them, in either alphabet, padded or not.
func OfBasic(user, password string) []string {
	both := user + ":" + password
	secrets := []string{password, both}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		secrets = append(secrets, encoding.EncodeToString([]byte(both)))
	}
	return secrets
}

// credential matches names under which credentials stand.
var credential = regexp.MustCompile(`(?i)password|passwd|secret|token|api[-_.]?key|credential|cookie|signature|bearer|(^|[-_.])(pass|pwd|pw|pin|key|auth|authorization|sig|app[-_.]?id|session|sid|code|dsn)s?$`)

// Is reports whether the value of a parameter or of a variable is taken for a secret: if its
// name says that it is a credential, or if it looks like one. A value that is made of words
// and numbers, as "Berlin,DE", "52.52" and "tank-7" are, does not.
func Is(name, value string) bool { return Names(name) || !readable(value) }

// Names reports whether credentials stand under that name.
func Names(name string) bool { return credential.MatchString(name) }

// OfQuery returns the values of a query that are secret ([Is]).
func OfQuery(query url.Values) (secrets []string) {
	for name, values := range query {
		for _, value := range values {
			if Is(name, value) {
				secrets = append(secrets, value)
			}
		}
	}
	return secrets
}

// readable reports whether s is words and numbers, of which one that has both letters and
// digits is short.
func readable(s string) bool {
	const longest = 8 // of a mixed one
	for word := range strings.FieldsFuncSeq(s, func(c rune) bool { return strings.ContainsRune(" ,.:;_/-", c) }) {
		letters, digits := 0, 0
		for _, c := range word {
			switch {
			case unicode.IsLetter(c):
				letters++
			case unicode.IsDigit(c):
				digits++
			default:
				return false
			}
		}
		if letters > 0 && digits > 0 && letters+digits > longest {
			return false
		}
	}
	return true
}
