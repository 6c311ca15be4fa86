package jobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// maxResults is how many files of those that a program has left are kept.
const maxResults = 20

// keepFile keeps a file with the run: its content goes into the archive behind those of the files before it, in the
// order of the list. The name is made one that no other file of the run has.
func (r *Run) keepFile(f wire.File, data []byte) {
	if f.Size = int64(len(data)); r.filed+f.Size > config.MaxFiles {
		r.print(fmt.Sprintf("the file %s is not kept: it has %d bytes, and the files of a run at most %d together", f.Name, f.Size, config.MaxFiles), true)
		return
	}
	files := slices.Clone(r.more.Files) // which only this goroutine changes; what was published has the ones before
	isTaken := func(other wire.File) bool { return other.Name == f.Name }
	for i, name := 2, f.Name; slices.ContainsFunc(files, isTaken); i++ {
		f.Name = fmt.Sprintf("%d-%s", i, name)
	}
	r.job.s.deps.Archive.Print(archive.FilesOf(r.id), r.filed, data, config.MaxFiles)
	r.filed += f.Size
	r.update(func(*progress.Progress) { r.more.Files = append(files, f) })
}

// keepGiven keeps the files that were given for arguments.
func (r *Run) keepGiven() {
	for _, arg := range r.job.Args {
		if f, ok := r.args[arg.Name].(*config.File); ok {
			r.keepFile(wire.File{Name: f.Name, Type: f.Type, Arg: arg.Name}, f.Data)
		}
	}
}

// causeOf is why a file cannot be read, without its path.
func causeOf(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// maxNames bounds how many names of a directory are read.
const maxNames = 10_000

// namesIn returns the names in a directory, in order.
func namesIn(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, causeOf(err)
	}
	defer f.Close()
	names, err := f.Readdirnames(maxNames)
	if err != nil && err != io.EOF {
		return nil, causeOf(err)
	}
	slices.Sort(names)
	return names, nil
}
