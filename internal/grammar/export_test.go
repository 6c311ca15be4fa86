package grammar

import (
	"regexp"
	"time"
)

// Rate is a key whose value is a number per second, minute, hour or day.
func Rate(name, doc string, to *int, per *time.Duration) Key {
	return typed(name, doc, RateText, func(v *Node, what string) { *to, *per = v.Rate(what) })
}

// Regexp is a key whose value is a regular expression.
func Regexp(name, doc string, to **regexp.Regexp) Key {
	return typed(name, doc, AnyText, func(v *Node, what string) { *to = v.Regexp(what) })
}
