package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// readers are programs that run their standard input if they are given no script.
var readers = []string{
	"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "ssh", "rsh", "python", "python3", "perl", "ruby",
	"node", "php", "lua", "R", "Rscript", "psql", "mysql", "mariadb", "sqlite3",
}

// databases are the readers whose other arguments name a database instead of a script.
var databases = []string{"psql", "mysql", "mariadb", "sqlite3"}

// codeVariables are environment variables that make many programs run their value, or load programs and libraries from
// it.
var codeVariables = []string{
	"PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV", "IFS", "PERL5OPT", "PERL5LIB",
	"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "NODE_OPTIONS", "NODE_PATH", "RUBYOPT", "RUBYLIB",
	"JAVA_TOOL_OPTIONS", "GIT_SSH_COMMAND", "GIT_SSH", "RSYNC_RSH", "EDITOR", "VISUAL", "PAGER", "LESSOPEN",
}

// readsCode returns the program in argv that runs its standard input; "" if there is none.
func readsCode(argv []string) string {
	for at, element := range argv {
		name := filepath.Base(element)
		if !slices.Contains(readers, name) {
			continue
		}
		remote := name == "ssh" || name == "rsh"
		plain := 0
		for j := at + 1; j < len(argv); j++ {
			switch a := argv[j]; {
			case remote && len(a) == 2 && a[0] == '-' && strings.Contains(sshValues, a[1:]):
				j++
			case plain == 0 && !remote && (a == "-s" || a == "-"):
				return name
			case !remote && (shellText.MatchString(a) || a == "-f" || a == "-m" ||
				slices.Contains(interpreters[name].after, a)):
				return "" // the code comes from a script
			case !strings.HasPrefix(a, "-"):
				plain++
			}
		}
		if plain == 0 && !remote || plain == 1 && remote || slices.Contains(databases, name) {
			return name
		}
		return ""
	}
	return ""
}

// warnFed warns about an argument that would become code, in the value of a variable or, if variable is empty, in the
// input of a program.
func warnFed(argv []string, variable string, n *grammar.Node, p found) {
	what := ""
	want := "let the program be a script that reads the value, or let a pattern allow harmless characters alone"
	if variable == "" {
		if name := readsCode(argv); name != "" {
			what = "what " + name + " interprets"
		}
	} else if slices.Contains(codeVariables, variable) {
		what = "what " + variable + " makes programs run"
		want = "use a name of your own, or let a pattern allow harmless values alone"
	}
	if what != "" {
		n.Warn(p.at, fmt.Sprintf("%s would become part of %s", p.text, what), want)
	}
}
