package file

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// Kind is the kind of sources that read a file.
var Kind = kind.Kind{Name: "file", Section: section}

func section(r kind.Reading) kind.Section {
	s := &Source{}
	where := "file of " + r.Where
	path := func(n *grammar.Node) {
		if s.Path = n.Path("file", grammar.Anything); s.Path != "" {
			warn(n, s.Path, r.Once)
		}
	}
	keys := grammar.Keys{
		grammar.Func("path",
			"the file: a regular one of at most 4 MiB; relative to this file",
			grammar.ALine, path).Also("name file").Need("/sys/class/thermal/thermal_zone0/temp"),
		grammar.Duration("max_age",
			"the age from which the file's content is stale, since it was last modified; without it any age is fine",
			&s.MaxAge).Also("max_mtime older_than"),
	}
	return kind.Section{
		Keys: grammar.Keys{
			grammar.Section("file", "read a file. A path alone is `file.path`", where, keys).
				Short("path").Also("path read cat tail").OneOf(),
		},
		Source: func(entry *grammar.Node) kind.Source {
			if s.Path == "" {
				return nil
			}
			s.Given = entry.Given("file")
			return s
		},
	}
}

// warn warns of a file that is not there: the machine that reads the configuration need not be the one that polls.
func warn(n *grammar.Node, path string, once func(string) bool) {
	if n.HasReferences() || !once(path) { // what comes from elsewhere is not shown
		return
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		n.Warn(0, "there is no file "+strconv.Quote(path),
			"create it or correct its path, which is relative to this file")
	case err == nil && info.IsDir():
		n.Warn(0, strconv.Quote(path)+" is a directory", "name a file in it")
	case err == nil && !info.Mode().IsRegular():
		n.Warn(0, strconv.Quote(path)+" is not a regular file", "name one, or run a program that reads it")
	}
}
