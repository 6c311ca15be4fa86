// Package config turns a Tidewire configuration file into validated values.
//
// [Load] reads strict YAML: unknown keys, wrong types, bad durations, broken jq expressions, duplicate names and
// references to nothing are all reported at once, each with its line and column and with what would be right. A
// [Config] that Load returned without problems is complete: defaults are applied, references resolved and expressions
// compiled, so whoever runs it need not check again. What every key means is written in docs/configuration.md. A file
// may include others: they are one configuration.
//
// The keys are tables of package grammar, each beside the struct that it fills. Load reads by them, [Schema] makes a
// JSON Schema of them for editors, and [Explain] says where each value that holds for a source is written. What a
// [Problem] is, and how references to the environment and to files are expanded, is grammar's.
//
// # Secrets
//
// No problem quotes what may be a credential (bearer, headers, an address with a password), nor what a reference gave.
// Whatever a Config prints of itself, as text or as JSON, is the names of its parts.
//
// # Arguments of jobs
//
// [Job.Bind] checks what somebody gives for the arguments of a job and [Job.Argv] puts it into the command line. These
// are the rules by which Load checks the defaults, too.
//
// # Concurrency
//
// A Config is not changed once Load has returned it; any number of goroutines may read it.
package config

import (
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/exec"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// Config is a whole configuration, valid and with its defaults applied.
// Lists are in the order of the file.
type Config struct {
	Warnings Problems // what may well be right, and is worth a look

	Listen    string         // host:port to serve on, or unix: and an absolute path; 127.0.0.1:8480 unless set
	Socket    Socket         // of unix:
	PublicURL *url.URL       // the address that people use, if it is not Listen: scheme, host and the path below which all is served; nil unless set
	Forwarded []netip.Prefix // the proxies that are believed where a request comes from, not who makes it; or [UnixPeers]
	TLS       *TLS           // nil: clear text
	Access    *Access        // nil: whoever reaches the address may do everything
	Audit     string         // the file to which every trigger, cancel, refresh, reload and sign-in is appended as a line of JSON; empty: none
	Upstreams []*Upstream
	Sources   []*Source
	Jobs      []*Job
	Notify    []*Notify
}

// Socket says who may connect by the unix socket that is served.
type Socket struct {
	Mode     fs.FileMode // permissions; 0600 unless set
	UID, GID int         // of the owner; -1 unless set: that of the process
}

// UnixPeers stands in a list of trusted addresses for whatever connects by the unix
// socket, which has none. No connection comes from the unspecified address.
var UnixPeers = netip.PrefixFrom(netip.IPv6Unspecified(), 128)

// TLS names the files of a certificate and its key, in PEM. Whoever serves reads
// them again when they change.
type TLS struct{ Cert, Key string }

// A Role is what somebody may do: a viewer sees, an operator also starts and
// cancels jobs and refreshes sources, an admin also reloads the configuration.
type Role string

// The values of [Role].
const (
	RoleNone     Role = ""
	RoleViewer   Role = "viewer"
	RoleOperator Role = "operator"
	RoleAdmin    Role = "admin"
)

// Access says who may do what.
type Access struct {
	Anonymous Role // of who does not say who they are: RoleNone or RoleViewer
	Tokens    []*Token
	OIDC      *OIDC  // nil: no sign-in through an identity provider
	Proxy     *Proxy // nil: no proxy is trusted to name people
}

// A Token is a credential of a program, of which only the hash is known here.
type Token struct {
	Name   string
	SHA256 [32]byte // of the token's text
	Role   Role
	Jobs   []string // the jobs that it may start and cancel; nil: all that its role may
}

// OIDC is an OpenID Connect provider through which people sign in.
type OIDC struct {
	Issuer       string // URL; its discovery document is below it
	ClientID     string
	ClientSecret string // empty: a public client, which PKCE protects
	Scopes       []string
	GroupsClaim  string          // the claim of the ID token that lists a person's groups; "groups" unless set
	Groups       map[string]Role // the role of each group; who is in several has the highest
	Prompt       string          // what the provider asks each time: "login", "consent" or "select_account"; empty: it decides
	EndSession   bool            // signing out here ends the session at the provider, too, if that offers it; true unless set
}

// Proxy is a reverse proxy that has signed people in and names them in headers.
type Proxy struct {
	Trust        []netip.Prefix // the addresses from which the headers are believed, or [UnixPeers]; from others they are dropped
	UserHeader   string         // "X-Forwarded-User" unless set
	GroupsHeader string         // comma-separated; "X-Forwarded-Groups" unless set
	Groups       map[string]Role
	Role         Role // of a person without any of Groups; RoleViewer unless set
}

// A Notify is a webhook that tells people of an alert.
type Notify struct {
	Name   string
	Method string // POST unless set
	URL    *url.URL
	Header http.Header // never nil
	Given  []string    // what references gave in it: secrets
	Body   string      // in which {source}, {title}, {state}, {value}, {error} and {since} stand for the alert's; empty: a JSON object of them all
}

// An Upstream is one service that sources ask and jobs use: one credential, one limit.
type Upstream struct {
	Name  string
	Kind  string        // the name of its kind
	Spec  kind.Upstream // what its kind needs to know
	Limit float64       // requests a second; 0 means no limit
	Burst int           // requests that may come at once under Limit; at least 1

	MaxInFlight int           // requests in progress at once; 0 means no limit
	Gap         time.Duration // between the end of a request and the start of the next
}

// A Source is one thing to poll, or to compute, or to be told of.
type Source struct {
	Name     string
	Title    string      // for people; Name unless set
	Kind     string      // the name of its kind
	Spec     kind.Source // what its kind needs to know
	Upstream *Upstream   // the one that it asks; nil: none

	Parse      Parse         // how bytes become a value; empty: the kind has no bytes
	Pick       []Field       // what to take of it; empty: all of it
	Every      time.Duration // pause between polls; 0 if it is not polled
	Unwatched  time.Duration // the pause while nobody looks; Never: no polls then; Every unless set
	When       []When        // other pauses, by the value; the first that holds counts
	Deadband   []Deadband    // how far numbers must move to count as changed
	Jitter     float64       // 0 <= Jitter < 1: the fraction of Every that a poll may be late, to spread load
	Timeout    time.Duration // bound of one poll
	Backoff    Backoff       // pauses after failures
	StaleAfter time.Duration // age from which a value without a successful poll, of the inputs that are needed, is stale; 0 if it is not polled unless set
	AtMost     time.Duration // the least time between two messages that count, of a source that is told; 0: all count
	Show       Show
	Alert      *Alert // nil: none
}

// Polled reports whether s is asked for its value again and again, rather than computed or told.
func (s *Source) Polled() bool { return s.Every > 0 }

// Never is the pause of a source that is polled only while somebody looks.
const Never time.Duration = -1

// A When is a pause between polls that holds while a condition does.
type When struct {
	If    *jq.Program // of the picked value; true or not
	Every time.Duration
}

// A Deadband is the least move that counts as a change: a number that is nearer to
// its published value keeps that.
type Deadband struct {
	Field string  // a name of Pick; empty: the value itself, or every number that is picked
	Least float64 // more than 0
}

// An Alert tells people when a source needs them, and when it does no more.
type Alert struct {
	If       *jq.Program   // of the picked value; nil: the source is stale or failing
	For      time.Duration // how long it must hold; 0: at once
	Clear    *jq.Program   // of the picked value: what must hold for the end, beside that If does not; nil: nothing else
	ClearFor time.Duration // how long that must hold; 0: at once
	Notify   []*Notify     // may be none
}

// Parse says how the raw bytes of a poll become a value.
type Parse string

// The values of [Parse].
const (
	ParseJSON  Parse = "json"  // one JSON value
	ParseText  Parse = "text"  // a string without surrounding white space
	ParseLines Parse = "lines" // a list of strings, each without surrounding white space
)

// A Field is one picked value. A pick that is a single expression has one
// Field without a name, whose result is the value itself.
type Field struct {
	Name string
	Expr *jq.Program
}

// Backoff bounds the pauses after failed polls: Min after the first, twice as
// much after each further one, at most Max.
type Backoff struct{ Min, Max time.Duration }

// Show says how a page presents a value.
type Show struct {
	Value    string        // the picked field that is the headline
	Unit     string        // for example "°C"
	Min      *float64      // lower end of the scale
	Max      *float64      // upper end of the scale
	Decimals *int          // digits behind the point, 0 to 10
	History  time.Duration // how long numbers are remembered; 0: not at all
}

// A Job is what people start: a program or a request. Exactly one of Exec and HTTP
// is set.
type Job struct {
	Name  string
	Title string
	Exec  []string // argv in which each {arg} stands for one argument, inside exactly one element
	HTTP  *JobHTTP
	Given []string // what references gave in Exec, HTTP, Env and Stdin: secrets
	Program
	Stdin     string // what the program of Exec reads, in which each {arg} stands for one argument
	WarnCodes []int  // exit codes of Exec with which a run has succeeded, with a warning
	Args      []Arg
	Progress  *regexp.Regexp // groups "percent" and "message", either may be missing; nil: only "::progress" lines and OSC 9;4 count
	Timeout   time.Duration  // bound of one run
	OnBusy    OnBusy
	Queue     int      // runs that may wait with OnBusy queue, or in a Group; at least 1
	Limit     Limit    // starts in a time; zero: any number
	Group     string   // jobs of the same group do not run at the same time; empty: none
	At        *At      // when it starts by itself; nil: never
	Confirm   string   // what people are asked before a start; empty: nothing
	Roles     []Role   // who may start and cancel it; nil: operators and admins
	Refresh   []string // sources that are polled at once when a run has ended (then: refresh)
	Keep      Keep     // ended runs that can be asked for
}

// Program is how the program of an exec runs.
type Program = exec.Program

// JobHTTP is the request that a run makes. In its path, query, header and body each
// {arg} stands for one argument, to be escaped for its place.
type JobHTTP struct {
	Upstream *httpkind.Upstream
	Method   string // POST unless set
	Path     string // escaped but for {arg}, begins with / unless empty; joined to the upstream's path
	Query    []Pair
	Header   http.Header // added to the upstream's, of which it replaces those of the same name; never nil
	Body     string      // empty: the arguments as a JSON object, unless Method is GET or DELETE
	Accept   []int       // the statuses of answers that count; nil: 200 to 299
	Follow   bool        // the answer's Operation-Location (or Location) is asked until the operation has ended
}

// Accepts reports whether an answer of that status counts.
func (h *JobHTTP) Accepts(status int) bool {
	if h.Accept != nil {
		return slices.Contains(h.Accept, status)
	}
	return status >= 200 && status <= 299
}

// A Pair is one parameter of a query.
type Pair struct{ Name, Value string }

// OnBusy says what a start does while the job is busy.
type OnBusy string

// The values of [OnBusy].
const (
	BusyJoin    OnBusy = "join"    // equal arguments share the run in progress, others are refused
	BusyQueue   OnBusy = "queue"   // it waits for its turn
	BusyReject  OnBusy = "reject"  // it is refused
	BusyReplace OnBusy = "replace" // the run in progress is cancelled, and the new one starts when it has ended
)

// A Limit is a number of starts in any window of a length.
type Limit struct {
	Starts int
	Per    time.Duration
}

// At is a time table, by cron's five fields or its @words.
type At struct {
	Cron string         // as it is written
	Zone *time.Location // local unless set
	Next func(time.Time) time.Time
}

// Keep bounds the ended runs of a job that can be asked for: the newest Runs, and
// none that ended longer ago than For.
type Keep struct {
	Runs int           // 50 unless set
	For  time.Duration // 24 h unless set
}

// ArgType is the type of a job's argument.
type ArgType string

// The values of [ArgType].
const (
	ArgString ArgType = "string"
	ArgInt    ArgType = "int"
	ArgNumber ArgType = "number"
	ArgBool   ArgType = "bool"
	ArgEnum   ArgType = "enum"
	ArgHost   ArgType = "host"
	ArgCIDR   ArgType = "cidr"
	ArgURL    ArgType = "url"  // https
	ArgPath   ArgType = "path" // of a file or directory that is below Under, relative to it
)

// An Arg is an argument of a job.
type Arg struct {
	Name    string
	Type    ArgType
	Title   string
	Default any      // string, float64, int64 or bool as of Type; nil: the argument is required
	Min     *float64 // of int and number
	Max     *float64
	Values  []string       // of enum
	Pattern *regexp.Regexp // of string, matched against the whole value

	Under     string // of path: the absolute name of the directory in which it is, symbolic links included
	AllowDash bool   // of string: the value may begin with a dash, as an option does
	Secret    bool   // of string and url: the value is shown and logged nowhere
}
