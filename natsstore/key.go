package natsstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	// maxKey bounds the part of a subject that stands for a topic. A protocol line of NATS has at most 4,096 bytes, and
	// a longer one makes the server close the connection.
	maxKey = 1 << 10

	// maxTopic bounds the name of a topic, which goes into a header if its key would be longer than maxKey.
	maxTopic = 8 << 10

	hashed = "=h" // begins the key of a topic whose name is in a header; no other key has a lower case letter after "="
)

// keyOf returns the end of the subject that stands for a topic: "/" separates tokens, and every byte except letters,
// digits, "_" and "-" is written as "=" and two hexadecimal digits. An empty token is "=_".
func keyOf(topic string) string {
	var b strings.Builder
	b.Grow(len(topic) + 8)
	empty := true // the token so far
	for _, c := range []byte(topic) {
		switch {
		case c == '/':
			if empty {
				b.WriteString("=_")
			}
			b.WriteByte('.')
			empty = true
			continue
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
			b.WriteByte(c)
		default:
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'=', digits[c>>4], digits[c&15]})
		}
		empty = false
	}
	if empty {
		b.WriteString("=_")
	}
	if b.Len() <= maxKey {
		return b.String()
	}
	sum := sha256.Sum256([]byte(topic))
	return hashed + hex.EncodeToString(sum[:])
}

// topicOf is the reverse of keyOf for keys that are not hashed.
func topicOf(key string) (string, error) {
	var b strings.Builder
	b.Grow(len(key))
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == '.':
			b.WriteByte('/')
		case c != '=':
			b.WriteByte(c)
		case strings.HasPrefix(key[i:], "=_"):
			i++
		case i+2 < len(key):
			var raw [1]byte
			if _, err := hex.Decode(raw[:], []byte(key[i+1:i+3])); err != nil {
				return "", fmt.Errorf("key %q: %w", key, err)
			}
			b.WriteByte(raw[0])
			i += 2
		default:
			return "", fmt.Errorf("key %q ends within an escape", key)
		}
	}
	return b.String(), nil
}
