package grammar

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/file"
)

// Open reads the file name as [Read] does. Beside the [Reader] it returns what the outcome depends on, also with an
// error, which says why the file cannot be read.
func Open(name string, options Options, parse func(root *Node)) (*Reader, *Files, error) {
	files := &Files{name: name}
	files.add(name)
	data, err := file.Read(name, MaxBytes)
	if err != nil {
		return nil, files, fmt.Errorf("read the configuration: %s: %s", name, reason(err))
	}
	files.all[0].read = sha256.Sum256(data)
	r := Read(name, data, options, parse)
	for _, f := range r.inputs.all {
		if !files.has(f.name) {
			files.all = append(files.all, f)
		}
	}
	return r, files, nil
}

// A Sum stands for the content of files.
type Sum [sha256.Size]byte

// Files are what the outcome of reading a configuration depends on: the file,
// what it includes, the directories in which its patterns look for that, and
// what ${file:} names, whether it could be read or not. One goroutine at a time
// may use them.
type Files struct {
	name string // of the configuration's
	all  []*input
}

// An input is one of [Files].
type input struct {
	name string
	read Sum // of what was read; zero if it could not be
	now  Sum // at the last look
}

// Name returns the name of the configuration's file, as it was given to [Open].
func (f *Files) Name() string { return f.name }

// Names returns the names of all of them, that of the configuration first.
func (f *Files) Names() []string {
	var names []string
	for _, in := range f.all {
		names = append(names, in.name)
	}
	return names
}

func (f *Files) has(name string) bool {
	return slices.ContainsFunc(f.all, func(in *input) bool { return in.name == name })
}

// add adds a file or directory with what it holds now.
func (f *Files) add(name string) {
	if !f.has(name) {
		in := &input{name: name}
		in.look()
		in.read = in.now
		f.all = append(f.all, in)
	}
}

// addRead adds a file of which data was read, or nothing: then why is not empty.
func (f *Files) addRead(name string, data []byte, why string) {
	switch {
	case why != "":
		f.add(name)
	case !f.has(name):
		f.all = append(f.all, &input{name: name, read: sha256.Sum256(data)})
	}
}

const wildcards = `*?[\`

// addDirs adds the directories in which [filepath.Glob] looks for a pattern, also the first one if it is missing. It
// reports whether there are at most maxDirs of a level.
func (f *Files) addDirs(pattern string) bool {
	if !strings.ContainsAny(pattern, wildcards) {
		f.add(pattern)
		return true
	}
	dir := filepath.Dir(pattern)
	if !f.addDirs(dir) {
		return false
	}
	names, _ := filepath.Glob(dir) // a bad pattern has none
	dirs := 0
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || !info.IsDir() {
			continue
		}
		if dirs++; dirs > maxDirs {
			return false
		}
		f.add(name)
	}
	return true
}

// Look looks at all of them. It returns a sum of what they hold now, and whether
// that is something else than what was read. Each file is read again: its time and
// size may stay through a change, and say nothing if another machine's clock gave them.
func (f *Files) Look() (now Sum, changed bool) {
	h := sha256.New()
	for _, in := range f.all {
		in.look()
		h.Write(in.now[:])
		changed = changed || in.now != in.read
	}
	return Sum(h.Sum(nil)), changed
}

func (in *input) look() {
	info, err := os.Stat(in.name)
	if err != nil {
		in.now = Sum{}
		return
	}
	in.now = sumOf(in.name, info)
}

// sumOf returns the sum of a file's content or of a directory's names, zero if
// there is neither.
func sumOf(name string, info fs.FileInfo) Sum {
	h := sha256.New()
	switch {
	case info.IsDir():
		entries, err := os.ReadDir(name)
		if err != nil {
			return Sum{}
		}
		for _, e := range entries {
			io.WriteString(h, e.Name()+"\x00")
		}
	case info.Mode().IsRegular():
		data, err := file.Read(name, MaxBytes)
		if err != nil {
			return Sum{}
		}
		h.Write(data)
	default:
		return Sum{}
	}
	return Sum(h.Sum(nil))
}
