package secret

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// plainHeader are the names of headers whose values are not credentials.
var plainHeader = []string{
	"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "user-agent",
}

// OfNamed returns the values of a header that are credentials ([Is]), and the parts of these.
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

// OfHeader returns the secrets in the header of a request: every value, except those of a few names such as Accept and
// Api-Version, and the parts of a credential: the text after its scheme, the password of Basic, cookies and parameters.
// Case does not matter in names.
func OfHeader(header map[string][]string) (secrets []string) {
	for name, values := range header {
		if lower := strings.ToLower(name); slices.Contains(plainHeader, lower) || strings.HasSuffix(lower, "version") {
			continue
		}
		for _, value := range values {
			secrets = append(append(secrets, value), ofParameters(value)...)
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

// parameter matches name=value, the notation of cookies (RFC 6265) and of the parameters of a credential (RFC 9110
// §11.2).
var parameter = regexp.MustCompile(`([^\s=;,"]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))`)

// ofParameters returns the values of parameters that are secret ([Is]).
func ofParameters(value string) (secrets []string) {
	for _, m := range parameter.FindAllStringSubmatch(value, -1) {
		if v := backslash.ReplaceAllString(m[2], "$1") + m[3]; Is(m[1], v) && !TooShort(v) {
			secrets = append(secrets, v)
		}
	}
	return secrets
}

var backslash = regexp.MustCompile(`\\(.)`)

// OfArguments returns the secrets in the arguments of a program: the values of options and variables whose names are
// those of credentials, as in --token=T, --token T and TOKEN=T, and passwords in addresses. A path is not a secret.
func OfArguments(argv []string) (secrets []string) {
	add := func(value string) {
		if !TooShort(value) && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "./") {
			secrets = append(secrets, value)
		}
	}
	for i, arg := range argv {
		secrets = append(secrets, passwords(arg)...)
		switch name, value, pair := strings.Cut(arg, "="); {
		case pair && Names(name):
			add(value)
		case !pair && strings.HasPrefix(arg, "-") && Names(arg) && i+1 < len(argv) && !strings.HasPrefix(argv[i+1], "-"):
			add(argv[i+1])
		}
	}
	return secrets
}

// address matches an address with a password, such as that of a database.
var address = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@:]*:([^\s/?#]+)@`)

// passwords returns the passwords of the addresses in s, decoded and as written.
func passwords(s string) (all []string) {
	for _, m := range address.FindAllStringSubmatch(s, -1) {
		if plain, err := url.PathUnescape(m[1]); err == nil && plain != m[1] {
			all = append(all, plain)
		}
		all = append(all, m[1])
	}
	return all
}

// ofBasic returns the secrets in a credential of the scheme Basic (RFC 7617).
func ofBasic(credential string) []string {
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(credential), "="))
	if err != nil {
		return nil
	}
	user, password, _ := strings.Cut(string(plain), ":")
	return OfBasic(user, password)
}

// OfBasic returns the secrets of a user and a password: the password, both together, and both as encoded by the scheme
// Basic, in either alphabet, padded or not.
func OfBasic(user, password string) []string {
	both := user + ":" + password
	secrets := []string{password, both}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		secrets = append(secrets, encoding.EncodeToString([]byte(both)))
	}
	return secrets
}

// credential matches names of credentials.
var credential = regexp.MustCompile(
	`(?i)password|passwd|secret|token|api[-_.]?key|credential|cookie|sess(ion)?[-_.]?id|signature|bearer|` +
		`(^|[-_.])(pass|pwd|pw|pin|key|auth|authorization|sig|app[-_.]?id|session|sid|code|dsn)s?$`,
)

// Is reports whether the value of a parameter or variable is taken for a secret: because its name is that of a
// credential, or because it looks like one. A value that consists of words and numbers, such as "Berlin,DE", "52.52"
// and "tank-7", does not.
func Is(name, value string) bool { return Names(name) || !readable(value) }

// Names reports whether name is that of a credential.
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

// readable reports whether s consists of words and numbers, where a word with both letters and digits is short.
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
