package config

import (
	"fmt"
	"regexp"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/all"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// A Problem is one fault of a configuration.
type Problem = grammar.Problem

// Problems are all faults of a configuration, in the order of the file. [Load] returns nil for a valid one.
type Problems = grammar.Problems

// Files are the files and directories that the result of reading a configuration depends on.
type Files = grammar.Files

// Load reads a configuration whose file has the text data. Messages name file, and paths in the text are relative to
// its directory. Load also reads the environment and the files that the text includes or refers to; paths in those are
// relative to them. It returns either a complete [Config] or all problems, never both. A file that is not valid YAML
// has one problem, where reading ended.
func Load(file string, data []byte) (*Config, Problems) {
	r, _, c := read(file, data)
	if problems := r.Problems(maxProblems); problems != nil {
		return nil, problems
	}
	return c, nil
}

// Open reads the configuration in a file, as [Load] does with its text. With the configuration, or with the error, it
// returns the files that the result depends on. The error is [Problems], or the reason why the file cannot be read.
func Open(name string) (*Config, *Files, error) {
	f := newFileReader()
	r, files, err := grammar.Open(name, options, f.read)
	if err != nil {
		return nil, files, err
	}
	if problems := r.Problems(maxProblems); problems != nil {
		return nil, files, problems
	}
	f.c.Warnings = r.Warnings(maxProblems)
	return f.c, files, nil
}

// maxProblems bounds the problems that are shown; beyond it only their number is. Tests change it.
var maxProblems = 50

// options configure the grammar for this language.
var options = grammar.Options{
	Include:     "include",
	PerFile:     map[string]func(*grammar.Node){"version": readVersion},
	Minimum:     `"version: 1" and a source`,
	Credentials: regexp.MustCompile(`(?i)header|query|body|auth|sha256|notify|url|(^|[^{])env:|@`),
}

// read does the work of Load; root is the tree of all files.
func read(file string, data []byte) (r *grammar.Reader, root *grammar.Node, c *Config) {
	f := newFileReader()
	r = grammar.Read(file, data, options, func(n *grammar.Node) {
		root = n
		f.read(n)
	})
	f.c.Warnings = r.Warnings(maxProblems)
	return r, root, f.c
}

// A reader has the state that is needed while the parts of one configuration are read.
type reader struct {
	parts struct { // parts that others refer to, by name; nil for a part with problems of its own
		upstreams map[string]*Upstream
		notify    map[string]*Notify
		sources   map[string]*Source
		jobs      map[string]*Job
	}
	split  map[string]bool // the sources that have the key split
	kinds  []kind.Kind
	looked map[string]bool // the keys that once was called with
	onDisk bool            // the state is kept in a directory
	alerts alertDefaults
	nexts  []nextDraft // in the order of the file
	missed []missedDraft
}

// A fileReader reads a whole configuration.
type fileReader struct {
	reader
	c     *Config
	pace  pace     // of defaults
	later struct { // sections that refer to other parts, and so are read after them wherever they stand
		listen, upstreams, sources, jobs, hooks, notify, alerts, quiet, access, forward func()
	}
}

func newFileReader() *fileReader {
	f := &fileReader{c: &Config{Listen: defaultListen, Page: Page{Title: defaultTitle}, Socket: Socket{Mode: 0o600, UID: -1, GID: -1}}, pace: builtIn}
	f.parts.upstreams, f.parts.notify = map[string]*Upstream{}, map[string]*Notify{}
	f.parts.sources, f.parts.jobs = map[string]*Source{}, map[string]*Job{}
	f.looked, f.split = map[string]bool{}, map[string]bool{}
	f.kinds, f.alerts = all.Kinds(), builtInAlerts()
	return f
}

// keys are the keys of a file. It is long because each key has its entry.
func (f *fileReader) keys() grammar.Keys {
	tls := &TLS{}
	return grammar.Keys{
		grammar.Func("version", "the version of this format", versionShape, readVersion).Need(""),
		grammar.Func("listen",
			"where to serve: host:port, where port 0 means any free port, the host is an IP address or "+
				"`localhost`, and no host means every address of the machine; or `unix:` and the path of a unix "+
				"socket, relative to this file",
			listenShape, f.listen).Also("address addr bind host port").Default(defaultListen).Defer(&f.later.listen),
		grammar.Section("socket", "who may connect to the unix socket of `listen`", "socket", socketKeys(&f.c.Socket)),
		grammar.Section("defaults",
			"keys that sources and jobs have unless they have them themselves",
			"defaults", f.defaultKeys()),
		grammar.LazyFunc("upstreams",
			"services that sources poll",
			f.upstreamsShape, f.upstreams).Also("services hosts endpoints connections").Defer(&f.later.upstreams),
		grammar.LazyFunc("sources",
			"what to poll",
			f.sourcesShape, f.sources).Also("checks monitors inputs").Defer(&f.later.sources),
		grammar.Func("jobs",
			"what people can start",
			jobsShape, f.jobs).Also("actions tasks commands").Defer(&f.later.jobs),
		grammar.Func("hooks",
			"addresses to which other services send what happened there: `POST /hooks/NAME` starts a job or sets a source",
			hooksShape, f.hooks).Also("webhooks inbound triggers").Defer(&f.later.hooks),
		grammar.Func("include", "further files; see [More files](#more-files)", grammar.ALine, func(*grammar.Node) {}),
		grammar.Func("notify",
			"where alerts are sent",
			notifyShape, f.notify).Also("alerting webhooks notifiers notifications").Defer(&f.later.notify),
		grammar.Func("quiet",
			"when nobody is told of alerts, such as during a backup",
			quietShape, f.quiet).Also("maintenance silences downtime maintenance_windows").Defer(&f.later.quiet),
		grammar.Func("access",
			"who may do what; without it everyone who can reach the address may do everything",
			accessShape, f.access).Also("auth users security").Some().Defer(&f.later.access),
		grammar.Func("public_url",
			"the address that people use if it is not that of `listen`, such as the address of a proxy in "+
				"front. Everything is also served below its path",
			httpkind.AddressShape, func(v *grammar.Node) { f.c.PublicURL = readPublicURL(v) }).
			Also("base_url external_url url"),
		grammar.Section("page", "how the page looks", "page", pageKeys(&f.c.Page)).Also("ui theme web"),
		grammar.Func("trust_forwarded",
			"the proxies in front whose `X-Forwarded-For` gives the client's address: an address, a subnet, "+
				"`unix` for the unix socket, or a list of them. They do not sign people in",
			peersShape, f.forwarded).Also("trusted_proxies forwarded real_ip"),
		grammar.Section("tls",
			"serve with TLS, which also brings HTTP/2",
			"tls", tlsKeys(tls)).Also("ssl https").Then(func(v *grammar.Node) { f.tls(v, tls) }),
		grammar.Path("audit",
			"a file to which a line of JSON is appended for each start, cancel, refresh, reload and sign-in; "+
				"relative to this file",
			&f.c.Audit, grammar.FileToAppend),
		grammar.LazyFunc("store",
			"where state is kept: `memory`, which ends with the process, a directory, or NATS, where replicas share it",
			storeShape, f.store).Also("storage state database db data").Default("memory"),
		grammar.LazyFunc("forward",
			"where the states of sources and jobs are published for other programs",
			func() grammar.Shape { return grammar.AtLeastOne(grammar.Object(f.forwardKeys(newForward()))) }, f.forward).
			Also("publish export output").Some().Defer(&f.later.forward),
	}
}

var (
	versionShape = grammar.Either(grammar.Shape{"enum": []any{1, "1"}})
	jobsShape    = grammar.MappingOfNames(grammar.Object((&reader{}).jobKeys(newJobDraft(&Job{}), "")))
	notifyShape  = grammar.MappingOfNames((&reader{}).notifyEntryShape())
	accessShape  = grammar.AtLeastOne(grammar.Object((&reader{}).accessKeys(&Access{})))
)

// defaultKeys are the keys of defaults.
func (f *fileReader) defaultKeys() grammar.Keys {
	return append(paceKeys(&f.pace), grammar.Section("alert",
		"for the alerts of sources and jobs: each of them has one then, unless it says `alert: none`, and its own keys "+
			"come first",
		"alert of defaults", f.alertDefaultKeys(&f.alerts)).Some().Defer(&f.later.alerts))
}

func (f *fileReader) upstreamsShape() grammar.Shape {
	return grammar.MappingOfNames(grammar.Object(f.upstreamKeys(newUpstreamDraft(""), "")))
}

func (f *fileReader) sourcesShape() grammar.Shape {
	return grammar.MappingOfNames(grammar.Object(f.sourceKeys(&sourceDraft{Source: &Source{}}, "")))
}

// read reads the file whose root is n, and the files that it includes.
func (f *fileReader) read(n *grammar.Node) {
	spread(n)
	n.Read("the file", f.keys())
	if n.Lacks("version") {
		n.Problem("there is no version", "write version: 1 at the top")
	}
	later := f.later
	alerts := func() { f.alertDefaults(later.alerts, n.Get("defaults").Get("alert")) }
	for _, read := range []func(){
		later.upstreams, later.notify, alerts, later.sources, later.jobs, later.hooks, later.quiet, later.access, later.listen, later.forward,
	} {
		if read != nil {
			read()
		}
	}
}

func readVersion(n *grammar.Node) {
	if v, ok := n.Text("version", "write 1"); ok && v != "1" {
		n.Problem(fmt.Sprintf("version: %s is not a version of this format", grammar.Quote(v)), "write 1")
	}
}

func (f *fileReader) forwarded(n *grammar.Node) {
	f.c.Forwarded = readPeers(n, "trust_forwarded", "whose clients could then come from wherever they like")
}

func (f *fileReader) upstreams(n *grammar.Node) {
	for _, e := range n.Names("upstreams") {
		u := f.upstream(e)
		f.parts.upstreams[e.Name] = u
		f.c.Upstreams = append(f.c.Upstreams, u)
	}
}

func (f *fileReader) notify(n *grammar.Node) {
	for _, e := range n.Names("notify") {
		to := f.readNotify(e)
		f.parts.notify[e.Name] = to
		f.c.Notify = append(f.c.Notify, to)
	}
}

func (f *fileReader) sources(n *grammar.Node) {
	inputs := map[*Source][]*grammar.Node{}
	for _, e := range n.Names("sources") {
		d := f.source(e, f.pace)
		f.checkOn(e.Value, "sources")
		f.parts.sources[e.Name], f.split[e.Name] = d.Source, e.Value.Get("split") != nil
		f.c.Sources = append(f.c.Sources, d.Source)
		inputs[d.Source] = d.inputs
	}
	f.readReferences(f.c.Sources, inputs)
	none := map[string][]string{} // no source has a row yet
	for _, s := range f.c.Sources {
		if s.Split != nil {
			none[s.Name] = nil
		}
	}
	for _, s := range f.c.Sources {
		s.Spec = s.computedFrom(none).Spec
	}
}

func (f *fileReader) jobs(n *grammar.Node) {
	entries := map[string]*grammar.Node{}
	for _, e := range n.Names("jobs") {
		j := f.job(e)
		f.checkOn(e.Value, "jobs")
		entries[j.Name] = e.Value
		if j.Keep.Runs > maxMemoryRuns && f.c.Store == nil {
			mend := fmt.Sprintf("write at most %d", maxMemoryRuns)
			if f.c.NATS == nil {
				mend += ", or store: {dir: data} to keep them on disk"
			}
			e.Value.Get("keep").Get("runs").Problem(fmt.Sprintf("keep.runs is %d, and runs are kept in memory", j.Keep.Runs), mend)
		}
		f.parts.jobs[e.Name] = j
		f.c.Jobs = append(f.c.Jobs, j)
	}
	f.checkGroups(entries)
	f.checkNexts(f.c.Jobs)
	f.checkMissed()
}

func (f *fileReader) access(n *grammar.Node) { f.c.Access = f.reader.access(n) }
