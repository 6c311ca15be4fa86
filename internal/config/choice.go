package config

import "net/http"

// A choice is one of a few words that may stand somewhere.
type choice struct{ word, doc string }

// wordsOf returns the words alone.
func wordsOf(choices []choice) []string {
	var words []string
	for _, c := range choices {
		words = append(words, c.word)
	}
	return words
}

var (
	nobody   = choice{"none", "nobody is let in"}
	viewer   = choice{string(RoleViewer), "sees everything"}
	operator = choice{string(RoleOperator), "also starts and cancels jobs and refreshes sources"}
	admin    = choice{string(RoleAdmin), "also reloads the configuration"}

	anyRole        = []choice{viewer, operator, admin}
	anonymousRoles = []choice{nobody, viewer}
	proxyRoles     = []choice{nobody, viewer, operator, admin}
	jobRoles       = []choice{
		{string(RoleOperator), "people and tokens with the role operator"},
		{string(RoleAdmin), "people and tokens with the role admin"},
	}
)

var prompts = []choice{
	{"login", "people sign in again, even if they have a session at the provider"},
	{"consent", "people are asked to consent to Tidewire knowing who they are"},
	{"select_account", "people choose one of their accounts"},
}

var stores = []choice{{"memory", "in this process; after a restart everything is polled again, and runs are gone"}}

var parses = []choice{
	{string(ParseJSON), "one JSON value; the default of `http`"},
	{string(ParseText), "a text without surrounding white space; the default of `exec`"},
	{string(ParseLines), "a list of texts, one per line"},
}

var inputNeeds = []choice{
	{string(NeedsAll), "the value is fresh while all inputs are"},
	{string(NeedsAny), "the value is fresh while one of the inputs is"},
	{string(NeedsNone), "the value is fresh whatever the states of the inputs: they are left to `combine`"},
}

var hookMethods = []choice{
	{http.MethodPost, "what most webhooks expect"},
	{http.MethodPut, "replaces what is at the address"},
	{http.MethodPatch, "changes what is at the address"},
}

var jobMethods = []choice{
	{http.MethodPost, "sends `body`, or else the arguments"},
	{http.MethodPut, "sends `body`, or else the arguments"},
	{http.MethodPatch, "sends `body`, or else the arguments"},
	{http.MethodDelete, "has no body"},
	{http.MethodGet, "has no body"},
}

var follows = []choice{{"operation-location", "the address in `Operation-Location` of the answer, or in `Location`"}}

var whenBusy = []choice{
	{string(BusyJoin), "joins the run in progress if the arguments are equal, and is refused otherwise"},
	{string(BusyQueue), "waits for the runs before it"},
	{string(BusyReject), "is refused"},
	{string(BusyReplace), "cancels the run in progress and takes its place"},
}

var argTypes = []choice{
	{string(ArgString), "one line of text that matches `pattern` and does not begin with `-` unless `allow_dash` is set"},
	{string(ArgInt), "a whole number from `min` to `max`"},
	{string(ArgNumber), "a number from `min` to `max`"},
	{string(ArgBool), "true or false"},
	{string(ArgEnum), "one of `values`"},
	{string(ArgHost), "the name or the address of a host"},
	{string(ArgCIDR), "a subnet such as 10.0.4.0/24"},
	{string(ArgURL), "an https address"},
	{string(ArgPath), "a file or directory that exists below `under`"},
}
