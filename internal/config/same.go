package config

import (
	"fmt"
	"reflect"
	"regexp"
	"time"

	"github.com/tidewire/tidewire/internal/jq"
)

// Same reports whether two parts of configurations, such as two values of *[Source], are equal, including the parts
// that they refer to. Expressions and timetables are compared by their text.
func Same[T any](a, b T) bool {
	return same(reflect.ValueOf(&a).Elem(), reflect.ValueOf(&b).Elem())
}

func same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Pointer:
		switch {
		case a.IsNil() || b.IsNil() || a.Pointer() == b.Pointer():
			return a.Pointer() == b.Pointer()
		case byText[a.Type()]:
			return textOf(a) == textOf(b)
		}
		return same(a.Elem(), b.Elem())
	case reflect.Interface:
		return a.IsNil() == b.IsNil() && (a.IsNil() || a.Elem().Type() == b.Elem().Type() && same(a.Elem(), b.Elem()))
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		for _, k := range a.MapKeys() {
			if other := b.MapIndex(k); !other.IsValid() || !same(a.MapIndex(k), other) {
				return false
			}
		}
		return true
	case reflect.Func:
		return a.IsNil() == b.IsNil() // it is made from another field that is compared, as At.Next is from At.Cron
	}
	return a.Equal(b)
}

// textOf is the text of what p points to. p may be of an unexported field, which has no Interface.
func textOf(p reflect.Value) string {
	return reflect.NewAt(p.Type().Elem(), p.UnsafePointer()).Interface().(fmt.Stringer).String()
}

// byText are the types that are compared by their text.
var byText = map[reflect.Type]bool{
	reflect.TypeFor[*jq.Program]():    true,
	reflect.TypeFor[*regexp.Regexp](): true,
	reflect.TypeFor[*time.Location](): true,
}
