package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/tidewire/tidewire/internal/grammar"
)

// A Token is the credential of a program; only its hash is kept.
type Token struct {
	Name   string
	SHA256 [32]byte // of the token's text
	Role   Role     // RoleNone only with Push
	Jobs   []string // the jobs that it may start and cancel; nil: all that its role allows
	Push   []string // the sources to which it may send values, and no others; nil: those that its role allows
}

func (r *reader) tokenKeys(t *Token, jobs, push *func()) grammar.Keys {
	return grammar.Keys{
		grammar.Func("sha256",
			"the SHA-256 hash of the token, as `tidewire hash-token` prints it",
			sumShape, func(v *grammar.Node) { t.SHA256 = readSHA256(v) }).
			Also("token hash secret password").Secret().Need(`"${env:TOKEN_SHA256}"`),
		roleKey("role",
			"`viewer` views, `operator` also starts and cancels jobs and refreshes sources, `admin` also "+
				"reloads the configuration; `none` does nothing but `push`",
			&t.Role, tokenRoles).Need(string(RoleOperator)),
		grammar.Func("jobs",
			"the jobs that it may start and cancel: a name, or a list of them",
			namesShape, func(v *grammar.Node) { r.tokenJobs(v, t) }).Defer(jobs),
		grammar.Func("push",
			"the sources with `push` to which it may send values, whatever its role: a name, or a list of them",
			namesShape, func(v *grammar.Node) { r.tokenPush(v, t) }).Also("sources write").Defer(push),
	}
}

const aSum = `write the 64 hexadecimal digits that "tidewire hash-token" prints`

var (
	sumShape    = grammar.AnyScalar(grammar.Like(aSum, "^[0-9a-fA-F]{64}$"))
	tokensShape = grammar.MappingOfNames(grammar.Object((&reader{}).tokenKeys(&Token{}, new(func()), new(func()))))
)

func (r *reader) tokens(n *grammar.Node) (all []*Token) {
	first := map[[32]byte]*Token{}
	for _, e := range n.Names("tokens") {
		t := r.token(e)
		if before := first[t.SHA256]; before != nil && t.SHA256 != [32]byte{} {
			e.Key.Problem(
				fmt.Sprintf("token %s is the same as token %s", grammar.Quote(e.Name), grammar.Quote(before.Name)),
				"make one for each, so that they can be told apart and withdrawn",
			)
		}
		first[t.SHA256] = t
		all = append(all, t)
	}
	return all
}

func (r *reader) token(e grammar.Named) *Token {
	t := &Token{Name: e.Name}
	var jobs, push func() // read last, because they depend on the role
	where := "token " + grammar.Quote(e.Name)
	e.Value.Read(where, r.tokenKeys(t, &jobs, &push))
	if jobs != nil {
		jobs()
	}
	if push != nil {
		push()
	}
	if role := e.Value.Get("role"); role != nil && role.Value() == none {
		if n := e.Value.Get("jobs"); n != nil {
			n.Problem("a token without a role cannot start jobs", "remove jobs, or write role: operator")
		}
		if e.Value.Lacks("push") {
			role.Problem(where+" may do nothing", "write another role, or add push with the sources to which it sends values")
		}
	}
	return t
}

// readSHA256 reads a hash. Problems do not quote it: anyone who has it can test guessed tokens against it.
func readSHA256(n *grammar.Node) [32]byte {
	s, ok := n.Text("sha256", aSum)
	sum, err := hex.DecodeString(s)
	switch {
	case !ok:
	case err != nil || len(sum) != sha256.Size:
		n.Problem("sha256 is not a SHA-256 sum", aSum)
	case [32]byte(sum) == sha256.Sum256(nil):
		n.Problem("sha256 is the sum of an empty text", aSum)
	default:
		return [32]byte(sum)
	}
	return [32]byte{}
}

// tokenJobs reads the jobs that a token may start.
func (r *reader) tokenJobs(n *grammar.Node, t *Token) {
	if t.Role == RoleViewer {
		n.Problem("a viewer cannot start jobs", "remove jobs, or write role: operator")
	}
	for _, e := range n.OneOrMore("jobs", "[discover, reindex]") {
		j := grammar.Lookup(e, "job", r.parts.jobs)
		switch {
		case j == nil || slices.Contains(t.Jobs, j.Name):
		case t.Role == RoleOperator && j.Roles != nil && !slices.Contains(j.Roles, RoleOperator):
			e.Problem(fmt.Sprintf("the roles of job %s do not let an operator start it", grammar.Quote(j.Name)),
				"write role: admin, or add operator to the job's roles")
		default:
			t.Jobs = append(t.Jobs, j.Name)
		}
	}
}

// tokenPush reads the sources to which a token may send values.
func (r *reader) tokenPush(n *grammar.Node, t *Token) {
	for _, e := range n.OneOrMore("push", "[door, backup]") {
		if s := r.pushedSource(e); s != nil && !slices.Contains(t.Push, s.Name) {
			t.Push = append(t.Push, s.Name)
		}
	}
}
