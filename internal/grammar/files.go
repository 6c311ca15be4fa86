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

// Open reads the file name as [Read] does. With the [Reader] it returns the files that the result depends on, even with
// an error, which tells why the file cannot be read.
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

// Files are the files and directories that the result of reading a configuration depends on: the file itself, the files
// it includes, the directories in which its patterns are searched, and the files named by ${file:}, whether they could
// be read or not. One goroutine at a time may use them.
type Files struct {
	name string // of the configuration's file
	all  []*input
}

// An input is one of [Files].
type input struct {
	name string
	read Sum // of the content that was read; zero if it could not be read
	now  Sum // at the last look
}

// Name returns the name of the configuration's file, as it was given to [Open].
func (f *Files) Name() string { return f.name }

// Names returns all names, that of the configuration first.
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

// add adds a file or directory with its current content.
func (f *Files) add(name string) {
	if !f.has(name) {
		in := &input{name: name}
		in.look()
		in.read = in.now
		f.all = append(f.all, in)
	}
}

// addRead adds a file with the data that was read from it, or, if why is not empty, one that could not be read.
func (f *Files) addRead(name string, data []byte, why string) {
	switch {
	case why != "":
		f.add(name)
	case !f.has(name):
		f.all = append(f.all, &input{name: name, read: sha256.Sum256(data)})
	}
}

const wildcards = `*?[\`

// addDirs adds the directories that [filepath.Glob] searches for a pattern, even the first one if it is missing. It
// reports whether there are at most maxDirs per level.
func (f *Files) addDirs(pattern string) bool {
	if !strings.ContainsAny(pattern, wildcards) {
		f.add(pattern)
		return true
	}
	dir := filepath.Dir(pattern)
	if !f.addDirs(dir) {
		return false
	}
	names, _ := filepath.Glob(dir) // a bad pattern gives none
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

// Sum returns the sum of the content that was read, in the order of the files. Their names do not count.
func (f *Files) Sum() Sum {
	h := sha256.New()
	for _, in := range f.all {
		h.Write(in.read[:])
	}
	return Sum(h.Sum(nil))
}

// Look checks all of them. It returns a sum of their current content, and whether that differs from the content that
// was read. Each file is read again: its time and size may survive a change, and are meaningless if they come from
// another machine's clock.
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

// sumOf returns the sum of a file's content or of the names in a directory, zero if name is neither.
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
