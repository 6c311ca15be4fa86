package config

import (
	"net/http"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/value"
)

var (
	nobody   = grammar.Word{Word: "none", Doc: "nobody is let in"}
	viewer   = grammar.Word{Word: string(RoleViewer), Doc: "sees everything"}
	operator = grammar.Word{Word: string(RoleOperator), Doc: "also starts and cancels jobs and refreshes sources"}
	admin    = grammar.Word{Word: string(RoleAdmin), Doc: "also reloads the configuration"}

	anyRole        = []grammar.Word{viewer, operator, admin}
	tokenRoles     = []grammar.Word{{Word: none, Doc: "may do nothing but what `push` lets it"}, viewer, operator, admin}
	anonymousRoles = []grammar.Word{nobody, viewer}
	proxyRoles     = []grammar.Word{nobody, viewer, operator, admin}
	jobRoles       = []grammar.Word{
		{Word: string(RoleOperator), Doc: "people and tokens with the role operator"},
		{Word: string(RoleAdmin), Doc: "people and tokens with the role admin"},
	}
)

// noAlert is what stands for no alert at all, whatever the defaults say.
var noAlert = []grammar.Word{{Word: "none", Doc: "it has no alert, whatever `defaults` say"}}

var severities = []grammar.Word{
	{Word: string(SeverityInfo), Doc: "worth knowing"},
	{Word: string(SeverityWarning), Doc: "to be looked at soon"},
	{Word: string(SeverityCritical), Doc: "to be looked at now"},
}

var reasons = []grammar.Word{
	{Word: string(ReasonFailed), Doc: "a run failed"},
	{Word: string(ReasonTimedOut), Doc: "a run took longer than `timeout`"},
	{Word: string(ReasonLost), Doc: "the process that ran it went away"},
	{Word: string(ReasonMissed), Doc: "a run that was due by `at` did not begin"},
	{Word: string(ReasonWarned), Doc: "a run succeeded with one of `warn_codes`"},
	{Word: string(ReasonSlow), Doc: "a run has been at work for longer than `slow_after`"},
}

var prompts = []grammar.Word{
	{Word: "login", Doc: "people sign in again, even if they have a session at the provider"},
	{Word: "consent", Doc: "people are asked to consent to Tidewire knowing who they are"},
	{Word: "select_account", Doc: "people choose one of their accounts"},
}

var stores = []grammar.Word{
	{Word: "memory", Doc: "in this process; after a restart everything is polled again, and runs are gone"},
}

var parses = []grammar.Word{
	{Word: value.JSON.Name, Doc: "one JSON value"},
	{Word: value.Text.Name, Doc: "a text without surrounding white space"},
	{Word: value.Lines.Name, Doc: "a list of texts, one per line"},
	{Word: value.CSV.Name, Doc: "a list of objects, one a row: its texts by the names in the first line"},
	{Word: value.XML.Name, Doc: "an object with the root element: attributes as `@name`, text as `#text`, equal elements as a list"},
	{Word: value.YAML.Name, Doc: "the value of one YAML document"},
	{Word: value.Prometheus.Name, Doc: "an object of metrics: for each name a list of `{labels, value}`"},
}

// Formats returns the words of parse.
func Formats() (names []string) {
	for _, w := range parses {
		names = append(names, w.Word)
	}
	return append(names, "html") // it has settings in any case, so it is no word alone
}

var webhookMethods = []grammar.Word{
	{Word: http.MethodPost, Doc: "what most webhooks expect"},
	{Word: http.MethodPut, Doc: "replaces what is at the address"},
	{Word: http.MethodPatch, Doc: "changes what is at the address"},
}

var jobMethods = []grammar.Word{
	{Word: http.MethodPost, Doc: "sends `body`, or else the arguments"},
	{Word: http.MethodPut, Doc: "sends `body`, or else the arguments"},
	{Word: http.MethodPatch, Doc: "sends `body`, or else the arguments"},
	{Word: http.MethodDelete, Doc: "has no body"},
	{Word: http.MethodGet, Doc: "has no body"},
}

var follows = []grammar.Word{
	{Word: "operation-location", Doc: "the address in `Operation-Location` of the answer, or in `Location`"},
}

var whenBusy = []grammar.Word{
	{Word: string(BusyJoin), Doc: "joins the run in progress if the arguments are equal, and is refused otherwise"},
	{Word: string(BusyQueue), Doc: "waits for the runs before it"},
	{Word: string(BusyReject), Doc: "is refused"},
	{Word: string(BusyReplace), Doc: "cancels the run in progress and takes its place"},
}

var argTypes = []grammar.Word{
	{
		Word: string(ArgString),
		Doc:  "one line of text that matches `pattern` and does not begin with `-` unless `allow_dash` is set",
	},
	{Word: string(ArgInt), Doc: "a whole number from `min` to `max`"},
	{Word: string(ArgNumber), Doc: "a number from `min` to `max`"},
	{Word: string(ArgBool), Doc: "true or false"},
	{Word: string(ArgEnum), Doc: "one of `values`"},
	{Word: string(ArgHost), Doc: "the name or the address of a host"},
	{Word: string(ArgCIDR), Doc: "a subnet such as 10.0.4.0/24"},
	{Word: string(ArgURL), Doc: "an https address"},
	{Word: string(ArgPath), Doc: "a file or directory that exists below `under`"},
	{Word: string(ArgFile), Doc: "a file that is sent with the start, of at most `max_size`"},
}
