package config

import (
	"maps"
	"slices"
	"strings"
)

// What values look like. A text needs no quotes where it looks like a number. Anything but a text can also be a reference:
// where a text has a pattern that is a part of it, so that an editor shows the one message of that pattern.
var (
	textTypes      = []string{"string", "number", "boolean"}
	textSchema     = schema{"type": textTypes}
	lineSchema     = schema{"type": textTypes, "minLength": 1}
	textsSchema    = listOf(textSchema)
	distinctSchema = schema{"type": "array", "minItems": 1, "items": lineSchema, "uniqueItems": true}
	argvSchema     = schema{"type": "array", "minItems": 1, "prefixItems": []schema{lineSchema}, "items": textSchema}
	numberSchema   = either(schema{"type": "number"})
	booleanSchema  = typed(like("write true or false", "^(true|false)$"), "boolean", "string")
	aboveZero      = schema{"type": "number", "exclusiveMinimum": 0}

	durationSchema  = like(aDuration, aboveZeroDuration)
	zeroOrSchema    = orZero(like(aDuration+", or 0", "^0$", aboveZeroDuration))
	unwatchedSchema = like(aDuration+", or never", aboveZeroDuration, "^never$")
	staleSchema     = like(aDuration+", or 2 polls to 100 polls", aboveZeroDuration, "^0*([2-9]|[1-9][0-9]|100) polls?$")
	percentSchema   = orZero(like(aPercentage, belowHundredPercent))
	rateSchema      = like(aRate, "^0*[1-9][0-9]*/[smhd]$")
	startsSchema    = like(aRate+"; at most 10000", "^0*([1-9][0-9]{0,3}|10000)/[smhd]$")

	addressSchema = like("write an address such as https://example.com", `^[hH][tT][tT][pP][sS]?://[^/?#]`)
	issuerSchema  = like("write an https address; http is for this machine alone",
		`^[hH][tT][tT][pP]([sS]://[^/?#]|://(localhost|127\.|\[))`)
	pathSchema   = like("write a path such as /v1/now, without ? and #", "^/[^?#]*$")
	listenSchema = like("write an address such as 127.0.0.1:8480, or unix: and a path", "^unix:.", ":[0-9]+$")
	modeSchema   = typed(like("write three octal digits such as 660", octal.String()), "string", "integer")
	sumSchema    = typed(like(`write the 64 hexadecimal digits that "tidewire hash-token" prints`, "^[0-9a-fA-F]{64}$"), textTypes...)
	scopesSchema = listOf(typed(like("write each scope as an element of the list", `^[^ "\\]+$`), textTypes...))

	nameSchema    = typed(like(aName, nameGrammar.String()), textTypes...)
	headerSchema  = typed(like("write the name of a header such as X-Api-Key", headerName.String()), textTypes...)
	headersSchema = keyed(headerName.String(), "use letters, digits and dashes", textSchema)
	envSchema     = keyed(envName.String(), "use letters, digits and underscores, beginning with none of the digits", textSchema)
	groupsSchema  = schema{"type": "object", "minProperties": 1, "additionalProperties": oneOf(anyRole)}
	querySchema   = schema{"type": "object", "additionalProperties": either(textSchema, textsSchema)}
)

const aRate = "write a number per second, minute, hour or day such as 5/s, 10/m, 60/h or 500/d"

// belowHundredPercent is the grammar of percentages. Those with an exponent may have any value.
const belowHundredPercent = `^(0|-0(\.0+)?%|\+?(0|[1-9][0-9]?)(\.[0-9]+)?%|[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?[eE][-+]?[0-9]+%)$`

// aboveZeroDuration is the grammar of [time.ParseDuration] for what is above zero: terms that are zero, one that is not,
// and any others.
const (
	durationUnit      = `(ns|us|µs|μs|ms|s|m|h)`
	aboveZeroDuration = `^\+?((0+(\.0*)?|\.0+)` + durationUnit + `)*` +
		`([0-9]*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.[0-9]*[1-9][0-9]*)` + durationUnit +
		`(([0-9]+(\.[0-9]*)?|\.[0-9]+)` + durationUnit + `)*$`
)

const referencePattern = `\$\{(env|file):`

// like is a text that matches one of the patterns, or has a reference. The message says what to write.
func like(message string, patterns ...string) schema {
	pattern := strings.Join(append(patterns, referencePattern), "|")
	return schema{"type": "string", "pattern": pattern, "patternErrorMessage": message}
}

// typed is s for values of these types; a pattern is for texts alone.
func typed(s schema, types ...string) schema {
	s["type"] = types
	return s
}

// orZero is s for texts, or the number 0.
func orZero(s schema) schema {
	s = typed(s, "string", "integer")
	s["minimum"], s["maximum"] = 0, 0
	return s
}

func oneOf(choices []choice) schema { return either(enum(choices)) }

// enum is one of the choices, which an editor explains.
func enum(choices []choice) schema {
	var docs, plain []string
	for _, c := range choices {
		docs, plain = append(docs, c.doc), append(plain, plainText(c.doc))
	}
	return schema{"enum": wordsOf(choices), "enumDescriptions": plain, "markdownEnumDescriptions": docs}
}

func listOf(element schema) schema { return schema{"type": "array", "minItems": 1, "items": element} }

func integer(lowest, highest int) schema {
	return either(schema{"type": "integer", "minimum": lowest, "maximum": highest})
}

// either is any of the alternatives, or a reference.
func either(alternatives ...schema) schema {
	return schema{"anyOf": append(alternatives, schema{"$ref": "#/$defs/reference"})}
}

// keyed is a mapping whose keys match a pattern; the message says what to write.
func keyed(pattern, message string, value schema) schema {
	keys := schema{"pattern": pattern, "patternErrorMessage": message}
	return schema{"type": "object", "propertyNames": keys, "additionalProperties": value}
}

// names is a mapping of names to values, which may be empty.
func names(value schema) schema {
	return typed(keyed(nameGrammar.String(), aName, value), "object", "null")
}

// argSchema is one of args: a mapping, or nothing. Some keys are for some types alone, and some types need a key.
func argSchema() schema {
	s := object(argKeys)
	s["type"] = []string{"object", "null"}
	is := func(types ...string) schema { return schema{"properties": schema{"type": schema{"enum": types}}} }
	var all []schema
	for _, key := range slices.Sorted(maps.Keys(keysOfTypes)) {
		var of, others []string
		for _, t := range wordsOf(argTypes) {
			if slices.Contains(keysOfTypes[key], ArgType(t)) {
				of = append(of, t)
			} else {
				others = append(others, t)
			}
		}
		unlike := is(others...)
		if slices.Contains(of, string(ArgString)) { // the type that holds where none is said
			unlike["required"] = []string{"type"}
		}
		off := either(schema{"enum": []any{false, "false"}, "errorMessage": "remove " + key + ": it is for the type " + list(of, "or")})
		all = append(all, schema{"if": unlike, "then": schema{"properties": schema{key: off}}})
	}
	for _, need := range []struct {
		of  ArgType
		key string
	}{{ArgEnum, "values"}, {ArgPath, "under"}} {
		it := is(string(need.of))
		it["required"] = []string{"type"}
		all = append(all, schema{"if": it, "then": schema{"required": []string{need.key}}})
	}
	s["allOf"] = all
	return s
}

// object is a mapping with fixed keys.
func object(keys []key) schema {
	properties, never := schema{}, map[string]schema{} // never: keys that exclude others
	var need []string
	var kinds []schema
	with := map[string][]string{}
	for _, k := range keys {
		if k.later != "" {
			continue
		}
		properties[k.name] = property(k)
		if k.need {
			need = append(need, k.name)
		}
		if k.kind {
			kinds = append(kinds, schema{"required": []string{k.name}})
		}
		if k.with != "" {
			with[k.name] = []string{k.with}
		}
		if of := k.without; slices.ContainsFunc(keys, func(other key) bool { return other.name == of }) {
			if never[of] == nil {
				never[of] = schema{}
			}
			never[of][k.name] = false
		}
	}
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if need != nil {
		s["required"] = need
	}
	if kinds != nil {
		s["oneOf"] = kinds
	}
	if len(with) > 0 {
		s["dependentRequired"] = with
	}
	excludes := schema{}
	for of, keys := range never {
		excludes[of] = schema{"properties": keys}
	}
	if len(excludes) > 0 {
		s["dependentSchemas"] = excludes
	}
	return s
}

// property is what the value of a key looks like.
func property(k key) schema {
	s := maps.Clone(k.is)
	if k.keys != nil {
		s = object(k.keys)
	}
	if k.some {
		s["minProperties"] = 1
	}
	if k.short != "" {
		i := slices.IndexFunc(k.keys, func(of key) bool { return of.name == k.short })
		s = either(k.keys[i].is, s)
	}
	s["description"] = plainText(k.doc)
	s["markdownDescription"] = strings.ReplaceAll(k.doc, "](#", "]("+documentation+"#")
	if k.builtIn != nil {
		s["default"] = k.builtIn
	}
	return s
}
