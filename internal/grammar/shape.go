package grammar

import (
	"maps"
	"slices"
	"strings"
)

// A Shape is a JSON Schema (draft 2020-12) of a value. It accepts every valid value. It rejects values that are invalid
// by themselves, and invalid combinations of keys; it does not check rules for two values, the grammar of expressions,
// or anything outside the file. A Shape that was passed to a function or is held by a variable must not be changed.
type Shape map[string]any

// Common shapes. A text needs no quotes where it looks like a number. Anything but a text can also be a reference. For
// a text with a pattern, references are a part of the pattern, so that an editor shows only the message of that
// pattern.
var (
	AnyText       = Shape{"type": anyScalar}
	ALine         = Shape{"type": anyScalar, "minLength": 1}
	Texts         = ListOf(AnyText)
	DistinctTexts = Shape{"type": "array", "minItems": 1, "items": ALine, "uniqueItems": true}
	DecimalNumber = Either(Shape{"type": "number"})
	TrueOrFalse   = Typed(Like("write true or false", "^(true|false)$"), "boolean", "string")

	DurationText   = Like(ADuration, AboveZero)
	PercentageText = OrZero(Like(APercentage, belowHundredPercent))
	SizeText       = Like(ASize, sizePattern)
	RateText       = Like(ARate, "^0*[1-9][0-9]*/[smhd]$")
	NameText       = Typed(Like(AName, nameGrammar.String()), anyScalar...)
	Variables      = Keyed(envName.String(),
		"use letters, digits and underscores, beginning with none of the digits", AnyText)
)

var anyScalar = []string{"string", "number", "boolean"}

// belowHundredPercent matches percentages. Those with an exponent may have any value.
const belowHundredPercent = `^(0|-0(\.0+)?%|\+?(0|[1-9][0-9]?)(\.[0-9]+)?%|` +
	`[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?[eE][-+]?[0-9]+%)$`

// sizePattern is the pattern of sizes above zero.
const sizePattern = `^0*([1-9][0-9]*)(kB|MB|GB)$`

// AboveZero is the pattern of durations above zero for [time.ParseDuration]: terms that are zero, one that is not, and
// any others.
const (
	durationUnit = `(ns|us|µs|μs|ms|s|m|h)`
	AboveZero    = `^\+?((0+(\.0*)?|\.0+)` + durationUnit + `)*` +
		`([0-9]*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.[0-9]*[1-9][0-9]*)` + durationUnit +
		`(([0-9]+(\.[0-9]*)?|\.[0-9]+)` + durationUnit + `)*$`
)

const referencePattern = `\$\{(env|file|jq):|\{each[.}]`

// Like is a text that matches one of the patterns, or contains a reference. The message tells what to write.
func Like(message string, patterns ...string) Shape {
	pattern := strings.Join(append(patterns, referencePattern), "|")
	return Shape{"type": "string", "pattern": pattern, "patternErrorMessage": message}
}

// Typed is s for values of the given types; a pattern applies only to texts.
func Typed(s Shape, types ...string) Shape {
	s = maps.Clone(s)
	s["type"] = types
	return s
}

// AnyScalar is s for any scalar: a text that needs no quotes where it looks like a number or a boolean.
func AnyScalar(s Shape) Shape { return Typed(s, anyScalar...) }

// OrZero is s for texts, or the number 0.
func OrZero(s Shape) Shape {
	s = Typed(s, "string", "integer")
	s["minimum"], s["maximum"] = 0, 0
	return s
}

// Words is one of a few words, which an editor explains, or a reference.
func Words(words []Word) Shape { return Either(WordsAlone(words)) }

// WordsAlone is one of a few words, which an editor explains.
func WordsAlone(words []Word) Shape {
	var docs, plain []string
	for _, w := range words {
		docs, plain = append(docs, w.Doc), append(plain, plainText(w.Doc))
	}
	return Shape{"enum": wordsOf(words), "enumDescriptions": plain, "markdownEnumDescriptions": docs}
}

// ListOf is a list of one or more elements.
func ListOf(element Shape) Shape { return Shape{"type": "array", "minItems": 1, "items": element} }

// WholeNumber is a whole number from lowest to highest, or a reference.
func WholeNumber(lowest, highest int) Shape {
	return Either(Shape{"type": "integer", "minimum": lowest, "maximum": highest})
}

// Either is any of the alternatives, or a reference.
func Either(alternatives ...Shape) Shape {
	return Shape{"anyOf": append(slices.Clone(alternatives), Shape{"$ref": "#/$defs/reference"})}
}

// Keyed is a mapping whose keys match a pattern; the message tells what to write.
func Keyed(pattern, message string, value Shape) Shape {
	keys := Shape{"pattern": pattern, "patternErrorMessage": message}
	return Shape{"type": "object", "propertyNames": keys, "additionalProperties": value}
}

// MappingOfNames is a mapping of names to values, which may be empty.
func MappingOfNames(value Shape) Shape {
	return Typed(Keyed(nameGrammar.String(), AName, value), "object", "null")
}

// Object is a mapping with fixed keys.
func Object(keys Keys) Shape {
	properties, never := Shape{}, map[string]Shape{} // never: keys that exclude others
	var need []string
	var alternatives []Shape
	with := map[string][]string{}
	for _, k := range keys {
		if k.later != "" {
			continue
		}
		properties[k.name] = k.property()
		if k.need {
			need = append(need, k.name)
		}
		if k.oneOf {
			alternatives = append(alternatives, Shape{"required": []string{k.name}})
		}
		if k.with != "" {
			with[k.name] = []string{k.with}
		}
		for _, of := range k.without {
			if !slices.ContainsFunc(keys, func(other Key) bool { return other.name == of }) {
				continue
			}
			if never[of] == nil {
				never[of] = Shape{}
			}
			never[of][k.name] = false
		}
	}
	s := Shape{"type": "object", "properties": properties, "additionalProperties": false}
	if need != nil {
		s["required"] = need
	}
	if alternatives != nil {
		s["oneOf"] = alternatives
	}
	if len(with) > 0 {
		s["dependentRequired"] = with
	}
	excludes := Shape{}
	for of, keys := range never {
		excludes[of] = Shape{"properties": keys}
	}
	if len(excludes) > 0 {
		s["dependentSchemas"] = excludes
	}
	return s
}

// property returns the shape of the value of a key.
func (k Key) property() Shape {
	var s Shape
	if k.keys != nil {
		s = Object(k.keys)
	} else {
		s = maps.Clone(k.shape())
	}
	if k.some {
		s["minProperties"] = 1
	}
	if k.short != "" {
		i := slices.IndexFunc(k.keys, func(of Key) bool { return of.name == k.short })
		s = Either(k.keys[i].shape(), s)
	}
	if k.words != nil {
		s = Either(WordsAlone(k.words), s)
	}
	s["description"] = plainText(k.doc)
	s["markdownDescription"] = k.doc
	if k.builtIn != nil {
		s["default"] = k.builtIn
	}
	return s
}

// AtLeastOne is the mapping s with at least one of its keys.
func AtLeastOne(s Shape) Shape {
	s = maps.Clone(s)
	s["minProperties"] = 1
	return s
}
