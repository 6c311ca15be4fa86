package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// program reads the first element of argv. A path is relative to its file, like every other.
// The machine that reads the file need not be the one that runs the program, so what is not there is no problem.
func (r *reader) program(n *grammar.Node, name string) string {
	if strings.ContainsRune(name, filepath.Separator) {
		whole, err := filepath.Abs(n.Beside(name))
		if err != nil {
			return name
		}
		name = whole
	}
	if n.HasReferences() || r.looked[name] { // what comes from elsewhere is not shown; each program is looked for once
		return name
	}
	r.looked[name] = true
	switch where := strconv.Quote(name); {
	case !strings.ContainsRune(name, filepath.Separator):
		if runtime.GOOS != "windows" && !slices.ContainsFunc(filepath.SplitList(os.Getenv("PATH")), func(dir string) bool {
			return executable(filepath.Join(dir, name))
		}) {
			n.Warn(0, where+" is not found in PATH", "install it, or write its whole path")
		}
	case executable(name):
	default:
		switch info, err := os.Stat(name); {
		case errors.Is(err, fs.ErrNotExist):
			n.Warn(0, "there is no program "+where, "create it or correct its path, which is relative to this file")
		case err == nil && info.IsDir():
			n.Warn(0, where+" is a directory", "name a program in it")
		default:
			n.Warn(0, where+" is not executable", "chmod +x, or name the program that reads it, as in [sh, script.sh]")
		}
	}
	return name
}

// executable reports whether a file can be run. Windows goes by the end of its name.
func executable(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0)
}

// An interpreter is a program that takes one of its arguments for code.
type interpreter struct {
	after []string // options whose value is code; of one letter also with the code in the same element
	first bool     // its first argument that is no option is code
	rest  bool     // all arguments after that one are
}

// interpreters by the name of the program. A shell's -c is a problem of its own.
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

// interpreted returns the program of argv that takes the element at i, or a part of it, for code; "" if none does.
func interpreted(argv []string, i int) string {
	for at, element := range argv[:i] {
		name := filepath.Base(element)
		in, ok := interpreters[name]
		if !ok {
			continue
		}
		plain := 0 // arguments before the element that are no options
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

// warnInterpreted warns of an argument that would become code.
func warnInterpreted(argv []string, i int, n *grammar.Node, p found) {
	if name := interpreted(argv, i); name != "" {
		n.Warn(p.at, fmt.Sprintf("%s would become part of what %s interprets", p.text, name),
			"put that into a script and give it "+p.text+
				" as an argument, or by env or stdin; or let a pattern allow harmless characters alone")
	}
}
