package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// readers are programs that run what they read on their standard input if no script is named.
var readers = []string{
	"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "ssh", "rsh", "python", "python3", "perl", "ruby", "node", "php",
	"lua",
	"R", "Rscript", "psql", "mysql", "mariadb", "sqlite3",
}

// databases are those of them to which other arguments name a database, and no script.
var databases = []string{"psql", "mysql", "mariadb", "sqlite3"}

// codeVariables make many programs run what they name, or look for programs and libraries there.
var codeVariables = []string{
	"PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV", "IFS", "PERL5OPT", "PERL5LIB", "PYTHONPATH",
	"PYTHONHOME",
	"PYTHONSTARTUP", "NODE_OPTIONS", "NODE_PATH", "RUBYOPT", "RUBYLIB", "JAVA_TOOL_OPTIONS", "GIT_SSH_COMMAND", "GIT_SSH",
	"RSYNC_RSH",
	"EDITOR", "VISUAL", "PAGER", "LESSOPEN",
}

// readsCode returns the program of argv that runs what it reads; "" if none does.
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
			case !remote && (shellText.MatchString(a) || a == "-f" || a == "-m" || slices.Contains(interpreters[name].after, a)):
				return "" // the code is elsewhere
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

// warnFed warns of an argument in the value of a variable or, if variable is empty, in the input of a program, which
// would become code.
func warnFed(argv []string, variable string, n *grammar.Node, p found) {
	what, want := "", "let the program be a script that reads the value, or let a pattern allow harmless characters alone"
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
