package config

import (
	"fmt"
	"io/fs"
	"os/user"
	"regexp"
	"strconv"

	"github.com/tidewire/tidewire/internal/grammar"
)

func socketKeys(s *Socket) grammar.Keys {
	return grammar.Keys{
		grammar.Func("mode",
			"the permissions of the socket, in octal; connecting requires write permission",
			modeShape, func(v *grammar.Node) { s.Mode = readMode(v) }).Also("permissions chmod").Default("600"),
		grammar.Func("owner",
			"the owner of the socket, by name or number; any other than the user that Tidewire runs as "+
				"requires root",
			grammar.ALine, func(v *grammar.Node) { s.UID = readOwner(v, "owner", userID) }).Also("user uid chown"),
		grammar.Func("group",
			"the group of the socket, by name or number",
			grammar.ALine, func(v *grammar.Node) { s.GID = readOwner(v, "group", groupID) }).Also("gid"),
	}
}

var octal = regexp.MustCompile(`^0?[0-7]{3}$`)

var modeShape = grammar.Typed(grammar.Like("write three octal digits such as 660", octal.String()), "string", "integer")

// readMode reads the permissions of the unix socket, in the notation for files.
func readMode(n *grammar.Node) fs.FileMode {
	text, ok := n.Text("mode", "write octal digits such as 660")
	if !ok {
		return 0
	}
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || !octal.MatchString(text) {
		n.Problem(fmt.Sprintf("mode: %s is not octal permissions", grammar.Quote(text)),
			"write three octal digits such as 660")
		return 0
	}
	return fs.FileMode(mode)
}

// readOwner reads the name or number of a user or group; id looks up a name.
func readOwner(n *grammar.Node, what string, id func(name string) (string, error)) int {
	name := n.Line(what)
	if name == "" {
		return -1
	}
	number := name
	if found, err := id(name); err == nil {
		number = found
	}
	owner, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		n.Problem(fmt.Sprintf("%s: this system has no %s", what, grammar.Quote(name)),
			"write a name that it has, or a number")
		return -1
	}
	return int(owner)
}

func userID(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}
