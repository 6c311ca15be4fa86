package debug

import (
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// ids names keys by strings. Their text is not unique: keys of different types, pointers and values with a String
// method may look the same.
type ids struct {
	run string // of this handler: ids of other handlers are unknown here

	mu    sync.Mutex // guards the fields below
	byKey map[any]string
	made  int
}

// name returns the ids of keys, in their order, and forgets those of removed tasks. It does not forget all ids that are
// not among keys, since keys may have been listed before others were added.
func (x *ids) name(keys []any, gone func(key any) bool) []string {
	names := make([]string, len(keys))
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, key := range keys {
		id := x.byKey[key]
		if id == "" {
			x.made++
			id = x.run + "-" + strconv.Itoa(x.made)
			x.byKey[key] = id
		}
		names[i] = id
	}
	if len(x.byKey) > len(keys) {
		maps.DeleteFunc(x.byKey, func(key any, _ string) bool { return gone(key) })
	}
	return names
}

// key returns the key with the given id.
func (x *ids) key(id string) (any, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for key, known := range x.byKey {
		if known == id {
			return key, true
		}
	}
	return nil, false
}

// maxText bounds the text of a key and of an error, in bytes.
const maxText = 2 << 10

// keyText returns the text of a key for people. A pointer is shown by its address, since its target may be modified
// meanwhile.
func keyText(key any) string {
	_, stringer := key.(fmt.Stringer)
	if !stringer && key != nil && reflect.TypeOf(key).Kind() == reflect.Pointer {
		return fmt.Sprintf("(%T)(%p)", key, key)
	}
	return legible(fmt.Sprint(key))
}

// legible returns s, or a quoted, shortened form if s is empty, long or invisible.
func legible(s string) string {
	s = shortened(s)
	invisible := func(r rune) bool { return !unicode.IsPrint(r) }
	if s == "" || strings.ContainsFunc(s, invisible) || strings.TrimSpace(s) != s {
		return strconv.Quote(s)
	}
	return s
}

func quoted(s string) string { return strconv.Quote(shortened(s)) }

func shortened(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

// number returns the value of a key that is a number and is shown as one.
func number(key any) (float64, bool) {
	if _, stringer := key.(fmt.Stringer); stringer {
		return 0, false
	}
	switch v := reflect.ValueOf(key); {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}
