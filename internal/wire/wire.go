// Package wire has the JSON types of the HTTP API: what the gateway stores, streams and answers, and what its own
// client commands read.
//
// A snapshot is the whole state of a source, a job or the configuration: a [Source], a [Job] or a [Config]. Its key,
// such as source/tank, names it on the stream and in the store. A field that is a pointer may be null, which means what
// its comment says. openapi.json describes the same types; a test compares the two.
//
// Times are UTC, to the millisecond.
package wire

// ConfigKey is the key of [Config].
const ConfigKey = "config"

// AlertsKey is the key of [AlertsVersion].
const AlertsKey = "alerts"

// SourceKey is the key of the source of that name.
func SourceKey(name string) string { return "source/" + name }

// JobKey is the key of the job of that name.
func JobKey(name string) string { return "job/" + name }
