// Package config turns a Tidewire configuration file into validated values.
//
// [Load] reads strict YAML: unknown keys, wrong types, bad durations, broken jq expressions, duplicate names and
// dangling references are all reported at once, each with its line and column and a correction. A [Config] that Load
// returned without problems is complete: defaults are applied, references resolved and expressions compiled, so its
// users need not check it again. docs/configuration.md describes every key. A file may include others: together they
// are one configuration.
//
// The keys are tables of package grammar, each beside the struct that it fills. Load reads files by these tables,
// [Schema] makes a JSON Schema of them for editors, and [Explain] tells where each value in effect for a source is
// written. Package grammar defines a [Problem] and expands references to the environment and to files.
//
// # Secrets
//
// No problem quotes a possible credential (bearer, headers, an address with a password), nor the value of a reference.
// A Config prints only the names of its parts, as text and as JSON.
//
// # Arguments of jobs
//
// [Job.Bind] checks the values given for the arguments of a job, and [Job.Argv] puts them into the command line. Load
// checks defaults by the same rules.
//
// # Concurrency
//
// A Config is not changed once Load has returned it; any number of goroutines may read it.
package config

import (
	"io/fs"
	"net/netip"
	"net/url"
	"regexp"
	"time"

	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/exec"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/value"
)

// Config is a whole configuration, valid and with its defaults applied.
// Lists are in the order of the file.
type Config struct {
	Warnings Problems // what may be intended, but is worth a look

	Listen    string         // host:port to serve on, or unix: and an absolute path; 127.0.0.1:8480 unless set
	Socket    Socket         // of unix:
	Page      Page           // how the page looks
	PublicURL *url.URL       // the address that people use: scheme, host and path; nil: Listen
	Forwarded []netip.Prefix // proxies trusted to give the client's address, but not to name people; or [UnixPeers]
	TLS       *TLS           // nil: clear text
	Access    *Access        // nil: everyone who can reach the address may do everything
	Audit     string         // the file of the audit log, in lines of JSON; empty: none
	Store     *Store         // the directory of the state; nil: in memory, or in NATS
	NATS      *NATS          // where replicas share their state; nil: there is one process
	Upstreams []*Upstream
	Sources   []*Source
	Jobs      []*Job
	Hooks     []*Hook
	Notify    []*Notify
	Quiet     []*Quiet
	Forward   *Forward // nil: states are not published
}

// Socket has the permissions of the unix socket.
type Socket struct {
	Mode     fs.FileMode // permissions; 0600 unless set
	UID, GID int         // of the owner; -1 unless set: that of the process
}

// UnixPeers stands for the peers of the unix socket, which have no address, in a list of trusted addresses. No
// connection comes from the unspecified address.
var UnixPeers = netip.PrefixFrom(netip.IPv6Unspecified(), 128)

// TLS names the files of a certificate and its key, in PEM. The server reads them again when they change.
type TLS struct{ Cert, Key string }

// A Role determines what a user may do: a viewer sees everything, an operator also starts and cancels jobs and
// refreshes sources, an admin also reloads the configuration.
type Role string

// The values of [Role].
const (
	RoleNone     Role = ""
	RoleViewer   Role = "viewer"
	RoleOperator Role = "operator"
	RoleAdmin    Role = "admin"
)

// Access defines who may do what.
type Access struct {
	Anonymous Role // of unidentified callers: RoleNone or RoleViewer
	Tokens    []*Token
	OIDC      *OIDC  // nil: no sign-in through an identity provider
	Proxy     *Proxy // nil: no proxy is trusted to name people
}

// OIDC is an OpenID Connect provider through which people sign in.
type OIDC struct {
	Issuer       string // URL; its discovery document is below it
	ClientID     string
	ClientSecret string // empty: a public client, which PKCE protects
	Scopes       []string
	GroupsClaim  string          // the claim of the ID token that lists a person's groups; "groups" unless set
	Groups       map[string]Role // the role of each group; a person in several has the highest
	Prompt       string          // "login", "consent" or "select_account", at each sign-in; empty: its choice
	EndSession   bool            // signing out also ends the session there, if supported; true unless set
}

// Proxy is a reverse proxy that has signed people in and names them in headers.
type Proxy struct {
	Trust        []netip.Prefix // addresses whose headers are accepted, or [UnixPeers]; others' are dropped
	UserHeader   string         // "X-Forwarded-User" unless set
	GroupsHeader string         // comma-separated; "X-Forwarded-Groups" unless set
	Groups       map[string]Role
	Role         Role // of a person without any of Groups; RoleViewer unless set
}

// A Notify is a receiver of messages about alerts.
type Notify struct {
	Name      string
	GroupWait time.Duration   // how long a message waits for further alerts of its upstream
	Receiver  notify.Receiver // how it is told; never nil
	Upstream  *Upstream       // a webhook's; nil: it has none
}

// An Upstream is one service that sources poll and jobs use: one credential, one limit.
type Upstream struct {
	Name  string
	Kind  string        // the name of its kind
	Spec  kind.Upstream // the keys of its kind
	Limit float64       // requests a second; 0 means no limit
	Burst int           // requests that Limit admits at once; at least 1

	MaxInFlight int           // requests in progress at once; 0 means no limit
	Gap         time.Duration // between the end of a request and the start of the next
}

// A Source is a value that is polled, computed, or subscribed to.
type Source struct {
	Name     string
	Title    string      // for people; Name unless set
	Section  string      // where it stands, for people: a path of 1 to 4 parts, such as Plant/Line 1; empty: in none
	Kind     string      // the name of its kind
	Spec     kind.Source // the keys of its kind
	Upstream *Upstream   // the one that it polls; nil: none
	On       string      // the name of the replica that polls it, of Kind exec alone; empty: any; OnEach: each one for itself

	Parse      value.Format  // how bytes become a value; zero: the kind gives values
	Pick       []Field       // what to take from the value; empty: all of it
	Every      time.Duration // the pause between polls; 0 if it is not polled
	Unwatched  time.Duration // the pause while unwatched; Never: no polls then; Every unless set
	When       []When        // other pauses, by the value; the first whose condition holds is used
	Deadband   []Deadband    // how far numbers must move to count as changed
	Jitter     float64       // 0 <= Jitter < 1: the maximum random delay of a poll, as a fraction of the pause
	Timeout    time.Duration // time limit of one poll
	Backoff    Backoff       // pauses after failures
	StaleAfter time.Duration // the age at which a value, or a required input, is stale; 0 if not polled, unless set
	AtMost     time.Duration // of a subscription: the minimum time between two messages that count; 0: all count
	Show       Show
	Alert      *Alert // nil: none

	Split     *Split // what makes sources of the rows of what this one gets; nil: nothing. Its value is their number then
	SplitFrom string // the name of the split source of which this is one of a row; empty: it is none
}

// Polled reports whether s is polled, rather than computed or subscribed to.
func (s *Source) Polled() bool { return s.Every > 0 }

// Pushed reports whether values are sent to s by requests, see [kind.Pushed].
func (s *Source) Pushed() bool {
	_, is := s.Spec.(kind.Pushed)
	return is
}

// Never is the pause of a source that is polled only while it is watched.
const Never time.Duration = -1

// A When is a pause between polls that holds while a condition does.
type When struct {
	If    *jq.Program // evaluated on the picked value: true or false
	Every time.Duration
}

// A Deadband is the smallest move that counts as a change: a number closer to its published value keeps that value.
type Deadband struct {
	Field string  // a name of Pick; empty: the value itself, or every picked number
	Least float64 // more than 0
}

// An Alert notifies people when a condition of a source begins to hold, and when it ends.
type Alert struct {
	If       *jq.Program   // the condition on the picked value; nil: the source is stale or failing
	For      time.Duration // how long If must hold; 0: fires at once
	After    int           // on how many polls in a row If must hold, at least 1; failed polls count without If
	Clear    *jq.Program   // to resolve, this must hold and If must not; nil: only the latter
	ClearFor time.Duration // how long that must hold; 0: resolves at once
	Grace    time.Duration // a source without any value does not fire before that long after it began; 1 min unless set
	Severity Severity      // SeverityWarning unless set
	Repeat   Repeat
	Notify   []*Notify // may be empty
}

// A Severity is how bad it is that an alert fires.
type Severity string

// The values of [Severity].
const (
	SeverityInfo     Severity = "info"
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
)

// Repeat is how a firing alert is told again.
type Repeat struct {
	Every time.Duration // at least a minute; 0: it is not
	Limit int           // how often at most; 0: any number of times
}

// A JobAlert notifies people when runs of a job do not go well, and when one does again.
type JobAlert struct {
	On        []Reason      // what it fires on; all but ReasonSlow and ReasonWarned unless set. It has ReasonSlow if SlowAfter is set, and only then
	SlowAfter time.Duration // how long a run may be at work; 0: any time
	Severity  Severity      // SeverityWarning unless set
	Repeat    Repeat
	Notify    []*Notify // may be empty
}

// A Reason is why the alert of a job fires.
type Reason string

// The values of [Reason].
const (
	ReasonFailed   Reason = "failed"    // a run failed
	ReasonTimedOut Reason = "timed_out" // a run took longer than its time limit
	ReasonLost     Reason = "lost"      // the process of a run went away
	ReasonMissed   Reason = "missed"    // a run that was due by the timetable did not begin
	ReasonSlow     Reason = "slow"      // a run has been at work for longer than SlowAfter
	ReasonWarned   Reason = "warned"    // a run succeeded with a warning
)

// A Quiet is a recurring time at which nobody is told of some alerts. It is over before it begins again.
type Quiet struct {
	At     *At           // when it begins
	For    time.Duration // how long it lasts, from a minute to 31 days
	Of     []string      // wire.SourceKey, wire.JobKey, section/PATH and upstream/NAME of configured ones; or QuietAll alone
	Reason string        // for people; may be empty
}

// A Field is one picked value. A pick that is a single expression has one
// Field without a name, whose result is the value itself.
type Field struct {
	Name string
	Expr *jq.Program
}

// Backoff bounds the pauses after failed polls: Min after the first failure, doubled with each further one, at most
// Max.
type Backoff struct{ Min, Max time.Duration }

// Show describes how a page presents a value.
type Show struct {
	Value    string        // the picked field that is the headline
	Unit     string        // for example "°C"
	Min      *float64      // lower end of the scale
	Max      *float64      // upper end of the scale
	Decimals *int          // digits after the decimal point, 0 to 10
	History  time.Duration // how long numbers are kept; 0: not at all
}

// A Job is a program or a request that people start. Exactly one of Exec and HTTP is set.
type Job struct {
	Name    string
	Title   string
	Section string   // as that of a Source
	Exec    []string // argv; each {arg} stands for one argument, inside exactly one element
	HTTP    *JobHTTP
	Given   []string // the values of references in Exec, HTTP, Env and Stdin: secrets
	Program
	Stdin      string   // standard input of Exec; each {arg} stands for one argument
	On         string   // the name of the replica that runs Exec; empty: any
	WarnCodes  []int    // exit codes of Exec that mean success with a warning
	Results    []string // names, or patterns of [path.Match], of files that Exec leaves in the directory of a run; nil: none
	Args       []Arg
	Progress   *regexp.Regexp // has a group "percent" or "message"; nil: only "::progress" lines and OSC 9;4
	Timeout    time.Duration  // time limit of one run
	OnBusy     OnBusy
	Queue      int       // runs that may wait with OnBusy queue, or in a Group; at least 1
	ParallelBy []string  // the arguments by whose values runs are in lines: those of different lines run side by side; nil: all are in one
	Limit      Limit     // starts per period; zero: any number
	Group      string    // jobs of the same group do not run at the same time; empty: none
	At         *At       // when it starts by itself; nil: never
	Confirm    string    // the question to people before a start; empty: none
	Roles      []Role    // who may start and cancel it; nil: operators and admins
	Then       Next      // what follows a run that succeeded
	OnFailure  Next      // what follows one that failed, timed out or was lost (then: on_failure)
	Keep       Keep      // ended runs that are kept
	Alert      *JobAlert // nil: none
}

// Program describes how the program of an exec runs.
type Program = exec.Program

// JobHTTP is the request that a run makes. In its texts each {arg} stands for one argument, and the input of expressions is
// an object of all. Its Method is POST unless set, and without a Body it sends that object, unless Method is GET or DELETE.
type JobHTTP struct {
	httpkind.Request
	Statuses []int // that mean success; nil: 200 to 299
	Follow   bool  // the answer's Operation-Location (or Location) is polled until the operation has ended
}

// OnBusy is what happens to a start while the job is busy.
type OnBusy string

// The values of [OnBusy].
const (
	BusyJoin    OnBusy = "join"    // equal arguments share the run in progress, others are refused
	BusyQueue   OnBusy = "queue"   // it waits for the runs before it
	BusyReject  OnBusy = "reject"  // it is refused
	BusyReplace OnBusy = "replace" // the run in progress is cancelled, and the new one starts when it has ended
)

// A Limit is a maximum number of starts in any window of the given length.
type Limit struct {
	Starts int
	Per    time.Duration
}

// Keep bounds the ended runs of a job that are kept: the newest Runs, and only those that ended no longer than For ago;
// and of what a run prints the last Output bytes.
type Keep struct {
	Runs   int           // 50 unless set
	For    time.Duration // 24 h unless set
	Output int64         // 10 MB unless set
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
	ArgPath   ArgType = "path" // of a file or directory below Under, relative to it
	ArgFile   ArgType = "file" // that is sent with the start: its value is a [*File]
)

// An Arg is an argument of a job.
type Arg struct {
	Name    string
	Type    ArgType
	Title   string
	Default any      // string, float64, int64 or bool, depending on Type; nil: the argument is required. Of a file it is "": there need be none
	Min     *float64 // of int and number
	Max     *float64
	Values  []string       // of enum without Feed
	Feed    *Feed          // of enum: where its choices come from; nil: they are Values
	Pattern *regexp.Regexp // of string, matched against the whole value

	Under     string // of path: the absolute name of the directory that it must be in, even through symbolic links
	AllowDash bool   // of string: the value may begin with a dash, like an option
	Secret    bool   // of string and url: the value is never shown or logged

	MaxSize int64    // of file, in bytes; 1 MB unless set
	Accept  []string // of file: ends of names such as ".csv", and media types, both in small letters; nil: any
}
