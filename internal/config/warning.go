package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// An interpreter is a program that runs one of its arguments as code.
type interpreter struct {
	after []string // options whose value is code; for one letter also with the code in the same element
	first bool     // its first argument that is not an option is code
	rest  bool     // all arguments after that one are code
}

// interpreters by the name of the program. The -c of a shell is handled separately, as a problem.
var interpreters = map[string]interpreter{
	"ssh": {rest: true}, "rsh": {rest: true}, "eval": {first: true, rest: true}, "watch": {first: true, rest: true},
	"perl": {after: []string{"-e", "-E"}}, "ruby": {after: []string{"-e"}}, "lua": {after: []string{"-e"}},
	"node": {after: []string{"-e", "-p", "--eval", "--print"}},
	"php":  {after: []string{"-r"}}, "Rscript": {after: []string{"-e"}},
	"python": {after: []string{"-c"}}, "python3": {after: []string{"-c"}},
	"env": {after: []string{"-S", "--split-string"}},
	"awk": {first: true}, "gawk": {first: true}, "mawk": {first: true},
	"sed":   {first: true, after: []string{"-e", "--expression"}},
	"su":    {after: []string{"--command"}},
	"mysql": {after: []string{"-e", "--execute"}}, "mariadb": {after: []string{"-e", "--execute"}},
	"psql":  {after: []string{"--command"}},
	"rsync": {after: []string{"-e", "--rsh"}}, "jq": {first: true},
	"powershell": {first: true, rest: true}, "pwsh": {first: true, rest: true},
	"powershell.exe": {first: true, rest: true},
}

// sshValues are the options of ssh that have a value.
const sshValues = "BbcDEeFIiJLlmOoPpQRSWw"

// interpreted returns the program in argv that runs the element at i, or a part of it, as code; "" if there is none.
func interpreted(argv []string, i int) string {
	for at, element := range argv[:i] {
		name := filepath.Base(element)
		in, ok := interpreters[name]
		if !ok {
			continue
		}
		plain := 0 // arguments before the element that are not options
		for j := at + 1; j < i; j++ {
			switch a := argv[j]; {
			case len(a) == 2 && a[0] == '-' && name == "ssh" && strings.Contains(sshValues, a[1:]):
				j++
			case !strings.HasPrefix(a, "-"):
				plain++
			}
		}
		own := slices.Contains(in.after, argv[i-1]) || slices.ContainsFunc(in.after, func(option string) bool {
			return argv[i] != option && strings.HasPrefix(argv[i],
				option) && (len(option) == 2 || strings.HasPrefix(argv[i], option+"="))
		})
		if own || in.first && plain == 0 && !strings.HasPrefix(argv[i], "-") || in.rest && plain > 0 {
			return name
		}
	}
	return ""
}

// warnInterpreted warns about an argument that would become code.
func warnInterpreted(argv []string, i int, n *grammar.Node, p found) {
	if name := interpreted(argv, i); name != "" {
		n.Warn(p.at, fmt.Sprintf("%s would become part of what %s interprets", p.text, name),
			"put that into a script and give it "+p.text+
				" as an argument, or by env or stdin; or let a pattern allow harmless characters alone")
	}
}
