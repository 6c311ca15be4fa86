package config

import (
	"net/http"
	"slices"
)

// A key is one key that a mapping may have. The tables of keys below are all
// that there is: [reader.mapping] reads by them, [Schema] is made of them and the
// tables of docs/configuration.md repeat them.
type key struct {
	name    string
	doc     string // what it means
	is      schema // what its value looks like, unless
	keys    []key  // it is a mapping with these, or
	short   string // the value of this one of them alone
	builtIn any    // the value that holds if there is none
	need    bool   // it must be there
	kind    bool   // exactly one of the keys that are marked so must be there
	with    string // the key that must be there too
	without string // the key beside which it cannot be
	some    bool   // of keys: at least one of them must be there
	secret  bool   // its value, or texts in it, may be credentials
	also    string // what others call it, with spaces between, for suggestions
	later   string // for what this version does not support, without the above: what to do about it
}

// A schema is a JSON Schema of the draft 2020-12. It accepts every good file. Of
// bad ones it rejects what can be told from one value and from which keys stand
// together, not what follows from two values, from the grammar of an expression or
// from the world.
type schema map[string]any

var fileKeys = []key{
	{name: "version", doc: "the version of this format", is: either(schema{"enum": []any{1, "1"}}), need: true},
	{name: "listen", also: "address addr bind host port", doc: "where to serve: host:port, where port 0 means any free port, the host is an IP address or `localhost`, and no host means every address of the machine; or `unix:` and the path of a unix socket, relative to this file", is: listenSchema, builtIn: defaultListen},
	{name: "socket", doc: "who may connect to the unix socket of `listen`", keys: socketKeys},
	{name: "defaults", doc: "how sources are polled unless they have these keys themselves", keys: paceKeys},
	{name: "upstreams", also: "services hosts endpoints connections", doc: "services that sources poll", is: names(object(upstreamKeys))},
	{name: "sources", also: "checks monitors inputs", doc: "what to poll", is: names(object(sourceKeys))},
	{name: "jobs", also: "actions tasks commands", doc: "what people can start", is: names(object(jobKeys))},
	{name: "include", doc: "further files; see [More files](#more-files)", is: lineSchema},
	{name: "notify", also: "alerting webhooks notifiers notifications", doc: "where alerts are sent", is: names(object(notifyKeys))},
	{name: "access", also: "auth users security", doc: "who may do what; without it everyone who can reach the address may do everything", keys: accessKeys, some: true},
	{name: "public_url", also: "base_url external_url url", doc: "the address that people use if it is not that of `listen`, such as the address of a proxy in front. Everything is also served below its path", is: addressSchema},
	{name: "trust_forwarded", also: "trusted_proxies forwarded real_ip", doc: "the proxies in front whose `X-Forwarded-For` gives the client's address: an address, a subnet, `unix` for the unix socket, or a list of them. They do not sign people in", is: either(lineSchema, textsSchema)},
	{name: "tls", also: "ssl https", doc: "serve with TLS, which also brings HTTP/2", keys: tlsKeys},
	{name: "audit", doc: "a file to which a line of JSON is appended for each start, cancel, refresh, reload and sign-in; relative to this file", is: lineSchema},
	{name: "store", doc: "where the newest values are kept", is: oneOf(stores), builtIn: "memory"},
}

var socketKeys = []key{
	{name: "mode", also: "permissions chmod", doc: "the permissions of the socket, in octal; connecting requires write permission", is: modeSchema, builtIn: "600"},
	{name: "owner", also: "user uid chown", doc: "the owner of the socket, by name or number; any other than the user that Tidewire runs as requires root", is: lineSchema},
	{name: "group", also: "gid", doc: "the group of the socket, by name or number", is: lineSchema},
}

var accessKeys = []key{
	{name: "anonymous", doc: "the role of unidentified callers", is: oneOf(anonymousRoles), builtIn: "none"},
	{name: "tokens", doc: "credentials for programs", is: names(object(tokenKeys))},
	{name: "oidc", also: "openid oauth sso", doc: "sign people in through an OpenID Connect provider", keys: oidcKeys},
	{name: "proxy", doc: "a reverse proxy signs people in and names them in headers", keys: proxyKeys},
}

var tokenKeys = []key{
	{name: "sha256", also: "token hash secret password", doc: "the SHA-256 hash of the token, as `tidewire hash-token` prints it", is: sumSchema, need: true, secret: true},
	{name: "role", doc: "`viewer` views, `operator` also starts and cancels jobs and refreshes sources, `admin` also reloads the configuration", is: oneOf(anyRole), need: true},
	{name: "jobs", doc: "the jobs that it may start and cancel: a name, or a list of them", is: either(lineSchema, textsSchema)},
}

var oidcKeys = []key{
	{name: "issuer", doc: "the provider's address; `https://` unless it is on this machine", is: issuerSchema, need: true},
	{name: "client_id", doc: "the provider's id for Tidewire", is: lineSchema, need: true},
	{name: "client_secret", doc: "the client's secret; a public client, which PKCE protects, has none", is: lineSchema, secret: true},
	{name: "scopes", doc: "the scopes to request from the provider", is: scopesSchema},
	{name: "groups_claim", doc: "the claim that lists a person's groups", is: lineSchema, builtIn: defaultGroupsClaim},
	{name: "groups", doc: "the role of each group: `viewer`, `operator` or `admin`. A person in several groups has the highest role, a person in none is not let in", is: groupsSchema, need: true},
	{name: "prompt", doc: "what the provider asks people for at each sign-in: `login`, `consent` or `select_account`; without it the provider decides", is: oneOf(prompts)},
	{name: "end_session", also: "logout single_logout", doc: "signing out also ends the session at the provider, if the provider supports that", is: booleanSchema, builtIn: true},
}

var proxyKeys = []key{
	{name: "trust", also: "trusted from cidr", doc: "the proxy's address or subnet, `unix` for the unix socket, or a list of them; the headers of others are dropped", is: either(lineSchema, textsSchema), need: true},
	{name: "user_header", doc: "the header that names the person", is: headerSchema, builtIn: defaultUserHeader},
	{name: "groups_header", doc: "the header that lists the person's groups, separated by commas", is: headerSchema, builtIn: defaultGroupsHeader},
	{name: "groups", doc: "the role of each group: `viewer`, `operator` or `admin`. A person in several groups has the highest role", is: groupsSchema},
	{name: "role", doc: "the role of a person in none of these groups", is: oneOf(proxyRoles), builtIn: string(RoleViewer)},
}

var tlsKeys = []key{
	{name: "cert", also: "certificate crt", doc: "a PEM file with the certificate and its intermediates; relative to this file", is: lineSchema, need: true},
	{name: "key", also: "private_key", doc: "a PEM file with its key; relative to this file", is: lineSchema, need: true},
}

var paceKeys = []key{
	{name: "every", also: "interval period poll schedule", doc: "the pause between polls. A duration alone is `every.normal`", keys: everyKeys, short: "normal", builtIn: "30s", without: "from"},
	{name: "timeout", doc: "the time limit of one poll", is: durationSchema, builtIn: "5s", without: "from"},
	{name: "jitter", doc: "the maximum random delay of a poll, as a share of the pause, so that polls spread", is: percentSchema, builtIn: "10%", without: "from"},
	{name: "backoff", also: "retry retries", doc: "the pauses after failed polls", keys: backoffKeys, without: "from"},
	{name: "stale_after", also: "max_age ttl", doc: "the age at which a value is stale unless a poll has renewed it. `N polls`, from 2 to 100, is N times the longest pause of `every` with its full jitter: 99 s by default", is: staleSchema, builtIn: "3 polls"},
}

var everyKeys = []key{
	{name: "normal", doc: "the pause while the source is watched, unless one of `when` holds", is: durationSchema, builtIn: "30s"},
	{name: "unwatched", doc: "the pause while nobody watches the source: at least `normal`, or `never`", is: unwatchedSchema},
	{name: "when", doc: "other pauses, depending on the newest value; the first whose condition holds is used", is: schema{"type": "array", "minItems": 1, "items": object(whenKeys)}},
}

var whenKeys = []key{
	{name: "if", also: "when condition expr", doc: "the condition, evaluated on the picked value: true or false", is: lineSchema, need: true},
	{name: "every", also: "interval then", doc: "the pause", is: durationSchema, need: true},
}

var backoffKeys = []key{
	{name: "min", doc: "the pause after the first failure; it doubles with each further one", is: durationSchema, builtIn: "1s"},
	{name: "max", doc: "the longest pause; at least `min`", is: durationSchema, builtIn: "5m"},
}

var upstreamKeys = []key{
	{name: "http", also: "url address base_url", doc: "`http://` or `https://`, host, port and path; without user, query and fragment", is: addressSchema, need: true},
	{name: "bearer", also: "token auth", doc: "sent as `Authorization: Bearer TOKEN`", is: lineSchema, secret: true},
	{name: "headers", doc: "sent with each request. `Host`, `Connection`, `Content-Length`, `Transfer-Encoding` and `Trailer` cannot be set", is: headersSchema, secret: true},
	{name: "limit", also: "rate rate_limit", doc: "requests per second, minute, hour or day", is: rateSchema},
	{name: "burst", doc: "requests that `limit` admits at once", is: integer(1, 1_000_000), builtIn: 1, with: "limit"},
	{name: "max_inflight", also: "concurrency max_concurrent", doc: "requests that may be in progress at once; the others wait in a queue", is: integer(1, 64)},
	{name: "gap", also: "pause delay", doc: "the time between the end of a request and the start of the next one; then `max_inflight` is 1", is: durationSchema},
	{name: "keep_alive", also: "keepalive", doc: "whether a connection is reused. `false` closes it after each request, for devices that serve one connection at a time", is: booleanSchema, builtIn: true},
}

var sourceKeys = append([]key{
	{name: "http", also: "url get", doc: "GET from an upstream", keys: requestKeys, kind: true},
	{name: "exec", also: "command cmd run script shell", doc: "run a program and read its output. The first element is the program; there is no shell", is: argvSchema, kind: true},
	{name: "from", doc: "other sources; the value is recomputed after every poll of one of them. A source cannot be computed from itself", is: textsSchema, kind: true},
	{name: "combine", doc: "with `from` only: computes the value from the inputs", is: lineSchema, with: "from"},
	{name: "needs", also: "requires quorum", doc: "with `from` only: which inputs must be fresh for the value to be fresh. With `none` their states are left to `combine`", is: oneOf(inputNeeds), with: "from"},
	{name: "title", also: "label description", doc: "for people", is: lineSchema},
	{name: "parse", doc: "how the answer becomes a value: one JSON value; a text without surrounding white space; a list of such texts, one per line", is: oneOf(parses), without: "from"},
	{name: "pick", also: "select fields jq extract", doc: "what to take from the value: one result, or an object of named results", is: either(lineSchema, schema{"type": "object", "additionalProperties": lineSchema})},
	{name: "show", doc: "how the page presents the value", keys: showKeys},
	{name: "modbus", later: otherKinds},
	{name: "mqtt", later: otherKinds},
	{name: "sql", later: otherKinds},
	{name: "deadband", doc: "how far a number must move to count as changed: one threshold for every picked number, or one per field", is: either(aboveZero, schema{"type": "object", "additionalProperties": either(aboveZero)})},
	{name: "alert", doc: "when to alert", keys: alertKeys, some: true},
}, slices.Concat(programKeys, paceKeys)...)

const otherKinds = `a source here is one of "http", "exec" and "from"`

var requestKeys = []key{
	{name: "upstream", doc: "one of `upstreams`", is: lineSchema, need: true},
	{name: "path", doc: "begins with `/`, is joined to the upstream's path; no `..`, no query", is: pathSchema},
	{name: "query", also: "params", doc: "the query; a list of texts repeats the parameter", is: querySchema, secret: true},
	{name: "headers", doc: "added to the upstream's headers; a header of the same name replaces the upstream's", is: headersSchema, secret: true},
	acceptKey,
}

var acceptKey = key{name: "accept", also: "ok_codes status statuses expect valid_status_codes", doc: "the statuses of successful answers, such as `[200, 503]` for a health check; any other status is an error that quotes the body", is: either(schema{"type": "array", "minItems": 1, "items": integer(200, 599)})}

var showKeys = []key{
	{name: "value", doc: "the field shown large; one of `pick` if that has names", is: textSchema},
	{name: "unit", doc: "the unit, for example `°C`", is: lineSchema},
	{name: "min", doc: "the ends of the scale, `min` below `max`", is: numberSchema},
	{name: "max", doc: "the ends of the scale, `min` below `max`", is: numberSchema},
	{name: "decimals", doc: "digits after the decimal point", is: integer(0, 10)},
	{name: "history", also: "retention keep", doc: "how long numbers are kept, from `1m` to `744h` (31 days)", is: durationSchema},
}

var alertKeys = []key{
	{name: "if", also: "when condition expr", doc: "the condition, evaluated on the picked value: true or false. Without it the condition is that the source is `stale` or `failing`", is: lineSchema},
	{name: "for", doc: "how long the condition must hold", is: zeroOrSchema},
	{name: "clear", also: "recovery until resolve", doc: "the condition for the end of the alert, evaluated on the picked value: until it holds, the alert keeps firing. Requires `if`", is: lineSchema, with: "if"},
	{name: "clear_for", also: "keep_firing_for recovery_for", doc: "how long the condition for the end must hold", is: zeroOrSchema},
	{name: "notify", also: "to webhook", doc: "where the alert is sent: a name from `notify`, or a list of them. Without it the alert is only on the page and in the API", is: either(lineSchema, distinctSchema)},
}

var notifyKeys = []key{
	{name: "http", also: "webhook url slack discord ntfy", doc: "a webhook to call when an alert begins and when it ends. An address alone is `http.url`", keys: webhookKeys, short: "url", need: true, secret: true},
}

var webhookKeys = []key{
	{name: "url", doc: "`http://` or `https://`, without a user", is: addressSchema, need: true, secret: true},
	{name: "method", doc: "the request's method", is: oneOf(hookMethods), builtIn: http.MethodPost},
	{name: "headers", doc: "sent with each call; not `Host`, `Connection`, `Content-Length`, `Transfer-Encoding` and `Trailer`", is: headersSchema, secret: true},
	{name: "body", doc: "the body. `{source}`, `{title}`, `{state}`, `{value}`, `{error}` and `{since}` stand for those of the alert, as in `url` and `headers`; the default is a JSON object of all of them", is: textSchema, secret: true},
}

var jobKeys = slices.Concat([]key{
	{name: "title", also: "label description", doc: "for people", is: lineSchema},
	{name: "exec", also: "command cmd run script shell", doc: "run a program; each `{arg}` in an element stands for the value of an argument", is: argvSchema, kind: true},
	{name: "http", also: "url request webhook", doc: "send a request to an upstream", keys: jobRequestKeys, kind: true},
	{name: "args", also: "arguments params parameters inputs", doc: "the arguments of a start", is: names(argSchema())},
	{name: "progress", doc: "of `exec`: matched against each line of output; its group `percent` or `message`, or both, give the progress. Lines such as `::progress 42 text` need no pattern", is: textSchema, with: "exec"},
}, programKeys, []key{
	{name: "warn_codes", also: "warning_codes", doc: "of `exec`: the exit codes that mean success with a warning", is: codesSchema, with: "exec"},
	{name: "stdin", also: "input", doc: "of `exec`: the program's standard input; each `{arg}` stands for the value of an argument. Without it standard input is empty", is: textSchema, with: "exec", secret: true},
	{name: "timeout", doc: "the time limit of one run", is: durationSchema, builtIn: "15m"},
	{name: "on_busy", also: "concurrency overlap", doc: "what happens to a start while the job is running: it joins that run if the arguments are equal, and is refused otherwise; it is queued; it is refused; or it replaces that run, which is cancelled", is: oneOf(whenBusy), builtIn: string(BusyJoin)},
	{name: "queue", doc: "how many runs may wait, with `on_busy: queue`", is: integer(1, 1000)},
	{name: "limit", doc: "starts per second, minute, hour or day", is: startsSchema},
	{name: "group", doc: "the name of a group: jobs of one group do not run at the same time", is: nameSchema},
	{name: "at", also: "schedule cron every", doc: "when the job starts by itself, with the defaults of its arguments. An expression alone is `at.cron`", keys: atKeys, short: "cron"},
	{name: "confirm", doc: "a question to ask people before a start", is: lineSchema},
	{name: "roles", also: "role users allow", doc: "who may start and cancel it: `operator`, `admin`, or a list of them", is: either(enum(jobRoles), listOf(oneOf(jobRoles)))},
	{name: "then", also: "after on_success", doc: "what follows a successful run", keys: thenKeys},
	{name: "keep", also: "retention history", doc: "which ended runs are kept", keys: keepKeys},
})

var jobRequestKeys = []key{
	{name: "upstream", doc: "one of `upstreams`, with its credential and its limit", is: lineSchema, need: true},
	{name: "method", doc: "the method", is: oneOf(jobMethods), builtIn: http.MethodPost},
	{name: "path", doc: "begins with `/`, is joined to the upstream's path; no `..`, no query", is: pathSchema},
	{name: "query", also: "params", doc: "the query; a list of texts repeats the parameter", is: querySchema, secret: true},
	{name: "headers", doc: "added to the upstream's headers; a header of the same name replaces the upstream's", is: headersSchema, secret: true},
	{name: "body", also: "data json payload", doc: "the body. Without it `POST`, `PUT` and `PATCH` send the arguments as a JSON object", is: textSchema, secret: true},
	acceptKey,
	{name: "follow", doc: "where a 202 answer names the operation, whose status is then requested until it has ended", is: oneOf(follows)},
}

var atKeys = []key{
	{name: "cron", doc: "minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`, `@every 90m`", is: lineSchema, need: true},
	{name: "zone", also: "tz timezone time_zone", doc: "the time zone, such as `Europe/Berlin` or `UTC`", is: lineSchema},
}

var thenKeys = []key{
	{name: "refresh", doc: "sources to poll at once: a name, or a list of them", is: either(lineSchema, textsSchema), need: true},
}

var keepKeys = []key{
	{name: "runs", doc: "how many of the newest runs to keep", is: integer(1, 1000), builtIn: defaultKeep.Runs},
	{name: "for", doc: "how long to keep a run", is: durationSchema, builtIn: "24h"},
}

var argKeys = []key{
	{name: "type", doc: "what is accepted", is: oneOf(argTypes), builtIn: string(ArgString)},
	{name: "title", doc: "for people", is: lineSchema},
	{name: "default", doc: "without one the argument is required. For a string `\"\"` makes it optional", is: textSchema},
	{name: "min", doc: "of `int` and `number`", is: numberSchema},
	{name: "max", doc: "of `int` and `number`", is: numberSchema},
	{name: "values", also: "options choices enum", doc: "of `enum`: the choices", is: distinctSchema},
	{name: "pattern", also: "regex regexp match", doc: "of `string`: must match the whole text", is: textSchema},
	{name: "under", also: "dir root", doc: "of `path`: an existing directory; relative to this file", is: lineSchema},
	{name: "allow_dash", doc: "of `string`: whether the value may begin with `-`", is: booleanSchema, builtIn: false},
	{name: "secret", doc: "of `string` and `url`: the value is never shown or logged. It has at least 4 characters or is empty; the only default is `\"\"`", is: booleanSchema, builtIn: false},
}
