package wire_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A schema is one of openapi.json, as far as it concerns a Go type.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"` // a string, or a list of one and "null"
	Enum       []string          `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Items      *schema           `json:"items"`
	OneOf      []schema          `json:"oneOf"`
	Additional any               `json:"additionalProperties"`
}

func schemas(t *testing.T) map[string]schema {
	data, err := os.ReadFile("../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Components.Schemas
}

// The types have the members that openapi.json describes, of the same types, and null and absent where it says so.
func TestTypesAreThoseOfTheDescription(t *testing.T) {
	all := schemas(t)
	for name, v := range map[string]any{
		"Source": wire.Source{}, "Sources": wire.Sources{}, "Show": wire.Show{}, "Alert": wire.Alert{},
		"History": wire.History{}, "Polls": wire.Polls{}, "Poll": wire.Poll{}, "Availability": wire.Availability{},
		"Window": wire.Window{}, "Day": wire.Day{}, "Trends": wire.Trends{}, "Trend": wire.Trend{}, "Outage": wire.Outage{}, "Run": wire.Run{}, "QueuedRun": wire.Waiting{}, "WaitingRuns": wire.Queue{}, "Runs": wire.Runs{},
		"Argument": wire.Arg{}, "Job": wire.JobObject{},
		"Jobs": wire.Jobs{}, "Outcome": wire.Outcome{}, "Stage": wire.Stage{}, "Line": wire.Line{}, "Start": wire.Start{}, "Configuration": wire.Config{}, "Difference": wire.Difference{},
		"Me": wire.Me{}, "SignIn": wire.SignIn{}, "SignedIn": wire.SignedIn{}, "SignedOut": wire.SignedOut{},
		"Silenced": wire.Silenced{}, "Acknowledged": wire.Acknowledged{}, "Replica": wire.Replica{}, "Replicas": wire.Replicas{}, "Silence": wire.Silence{}, "Silences": wire.Silences{},
		"NewSilence": wire.NewSilence{}, "Acknowledge": wire.Acknowledge{}, "Alerts": wire.Alerts{}, "AlertsVersion": wire.AlertsVersion{},
		"AlertObject": wire.AlertObject{}, "Told": wire.Told{}, "Receiver": wire.Receiver{},
		"Health": wire.Health{}, "Delivery": wire.Delivery{}, "Challenge": wire.Challenge{}, "Event": wire.Event{}, "Events": wire.Events{},
	} {
		compare(t, all, name, reflect.TypeOf(v), nil)
	}
	// On the stream a run has some members of its job beside it.
	compare(t, all, "Run", reflect.TypeOf(wire.Job{}), []string{"queue", "queued", "available_at"})
}

// compare compares an object schema with a struct. Members in beside are optional in the schema and always there in the
// struct.
func compare(t *testing.T, all map[string]schema, name string, typ reflect.Type, beside []string) {
	t.Helper()
	described := maps.Clone(all[name].Properties)
	if typ == reflect.TypeOf(wire.Run{}) {
		for _, member := range []string{"queue", "queued", "available_at", "beside", "besides"} {
			delete(described, member)
		}
	}
	for _, field := range reflect.VisibleFields(typ) {
		member, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || member == "-" {
			continue
		}
		s, ok := described[member]
		if !ok {
			t.Errorf("%s.%s is %q in JSON, which the schema %s does not have", typ, field.Name, member, name)
			continue
		}
		delete(described, member)
		required := slices.Contains(all[name].Required, member) || slices.Contains(beside, member)
		if always := options == ""; always != required && name != "Start" { // whose member may be left out of a request
			t.Errorf("%s.%s is always in JSON: %v, in the schema %s: %v", typ, field.Name, always, name, required)
		}
		kind, null := kindOf(all, s)
		wantKind, wantNull := kindOfGo(field.Type)
		wantNull = wantNull && options == "" // else nil is absent
		if typ == reflect.TypeOf(wire.Start{}) || typ == reflect.TypeOf(wire.Alert{}) && member == "since" {
			wantNull = null // a nil map is null in a request; an alert of the gateway's always has its time
		}
		if kind != wantKind || null != wantNull {
			t.Errorf("%s.%s is %s, null: %v; in the schema %s it is %s, null: %v",
				typ, field.Name, wantKind, wantNull, name, kind, null)
		}
	}
	for member := range described {
		t.Errorf("the schema %s has %q, which %s does not", name, member, typ)
	}
}

// kindOf says in short what a schema allows, and whether null is among it.
func kindOf(all map[string]schema, s schema) (kind string, null bool) {
	switch {
	case len(s.OneOf) == 2: // null and another one
		kind, _ = kindOf(all, s.OneOf[1])
		return kind, true
	case s.Ref != "":
		name := strings.TrimPrefix(s.Ref, "#/components/schemas/")
		if kind, null = kindOf(all, all[name]); kind == "object" {
			kind = name
		}
		if kind == "string" && (name == "Time" || name == "TimeOrNull") {
			kind = "time"
		}
		return kind, null
	}
	switch typ := s.Type.(type) {
	case []any:
		kind, _ = typ[0].(string)
		null = true
	case string:
		kind = typ
	default:
		return "any", false // which null is a value of
	}
	if kind == "array" {
		element, nullable := kindOf(all, *s.Items)
		if nullable {
			element += "|null"
		}
		kind += " of " + element
	}
	if additional, ok := s.Additional.(map[string]any); ok {
		kind += " of " + strings.TrimPrefix(additional["$ref"].(string), "#/components/schemas/")
	}
	return kind, null
}

// kindOfGo says the same of a Go type.
func kindOfGo(typ reflect.Type) (kind string, null bool) {
	switch typ {
	case reflect.TypeFor[time.Time]():
		return "time", false
	case reflect.TypeFor[json.RawMessage]():
		return "any", false
	case reflect.TypeFor[wire.Span]():
		return "string", false
	case reflect.TypeFor[wire.Numbers]():
		return "array of number|null", false
	case reflect.TypeFor[wire.Args]():
		return "object of Argument", false
	}
	switch typ.Kind() {
	case reflect.Pointer:
		kind, _ = kindOfGo(typ.Elem())
		return kind, true
	case reflect.Struct:
		names := map[reflect.Type]string{
			reflect.TypeFor[wire.Waiting](): "QueuedRun", reflect.TypeFor[wire.JobObject](): "Job",
		}
		if name := names[typ]; name != "" {
			return name, false
		}
		return typ.Name(), false
	case reflect.Slice:
		kind, _ = kindOfGo(typ.Elem())
		return "array of " + kind, false
	case reflect.Map:
		return "object", false
	case reflect.Interface:
		return "any", false
	case reflect.String:
		return "string", false
	case reflect.Bool:
		return "boolean", false
	case reflect.Int, reflect.Int64:
		return "integer", false
	case reflect.Float64:
		return "number", false
	}
	return typ.String(), false
}

func TestWordsAreThoseOfTheDescription(t *testing.T) {
	all := schemas(t)
	var statuses []string
	for _, s := range []progress.Status{
		progress.StatusQueued, progress.StatusRunning, progress.StatusCancelling, progress.StatusSucceeded,
		progress.StatusFailed, progress.StatusCancelled, progress.StatusTimedOut, progress.StatusLost,
	} {
		statuses = append(statuses, string(s))
	}
	for _, tt := range []struct {
		of, member string
		words      []string
	}{
		{"Source", "state", []string{
			wire.SourcePending, wire.SourceOK, wire.SourceStale, wire.SourceFailing, wire.SourceRemoved,
		}},
		{"Source", "waiting", []string{"", wire.WaitingBackoff, wire.WaitingRateLimit}},
		{"Alert", "state", []string{wire.AlertPending, wire.AlertFiring, wire.AlertUnknown}},
		{"Alert", "severity", []string{wire.SeverityInfo, wire.SeverityWarning, wire.SeverityCritical}},
		{"Alert", "reason", []string{
			wire.ReasonFailed, wire.ReasonTimedOut, wire.ReasonLost, wire.ReasonMissed, wire.ReasonWarned, wire.ReasonSlow,
		}},
		{"Told", "state", []string{wire.ToldWaiting, wire.ToldDone, wire.ToldGivenUp}},
		{"Run", "status", statuses},
		{"Run", "trigger", []string{wire.TriggerAPI, wire.TriggerSchedule, wire.TriggerJob, wire.TriggerHook}},
		{"Health", "status", []string{wire.HealthOK, wire.HealthDegraded, wire.HealthUnavailable}},
	} {
		if got := all[tt.of].Properties[tt.member].Enum; !slices.Equal(got, tt.words) {
			t.Errorf("the words for %s of %s are %q, want %q", tt.member, tt.of, got, tt.words)
		}
	}
}
