package jobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/file"
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

// A runDir is the directory of a run, which nobody else may enter. It has the files that were given for arguments, and in a
// directory of their own those that the program leaves.
type runDir struct {
	run     *Run
	path    string
	results string
	args    map[string]any // of the run, with the path of each file, and of the results as run_dir
}

// newRunDir makes the directory of a run.
func newRunDir(r *Run) (*runDir, error) {
	path, err := os.MkdirTemp("", "tidewire-run-")
	if err != nil {
		return nil, fmt.Errorf("make the directory of the run: %w", err)
	}
	d := &runDir{run: r, path: path, results: filepath.Join(path, "results"), args: maps.Clone(r.args)}
	if err := d.fill(); err != nil {
		d.remove()
		return nil, fmt.Errorf("make the directory of the run: %w", err)
	}
	return d, nil
}

func (d *runDir) fill() error {
	if err := os.Mkdir(d.results, 0o700); err != nil {
		return err
	}
	if d.run.job.Results != nil {
		d.args[config.RunDir] = d.results
	}
	for name, v := range d.args {
		f, ok := v.(*config.File)
		if !ok {
			continue
		}
		dir := filepath.Join(d.path, "arg-"+name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		path := filepath.Join(dir, f.Name)
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			return err
		}
		d.args[name] = path
	}
	return nil
}

// keepResults keeps those files that the program has left which are results of the job, in the order of their names.
func (d *runDir) keepResults() {
	if d.run.job.Results == nil {
		return
	}
	names, err := namesIn(d.results)
	if err != nil {
		d.run.print("the results cannot be read: "+err.Error(), true)
		return
	}
	kept := 0
	for _, name := range names {
		path := filepath.Join(d.results, name)
		info, err := os.Lstat(path)
		if !d.run.job.Keeps(name) || err != nil || !info.Mode().IsRegular() {
			continue
		}
		if kept++; kept > maxResults {
			d.run.print(fmt.Sprintf("the file %s is not kept, nor those after it: a run keeps %d results", name, maxResults), true)
			return
		}
		data, err := file.Read(path, config.MaxFiles)
		if err != nil {
			d.run.print(fmt.Sprintf("the file %s is not kept: %v", name, causeOf(err)), true)
			continue
		}
		given := config.NewFile(name, "", nil)
		d.run.keepFile(wire.File{Name: given.Name, Type: given.Type}, data)
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

func (d *runDir) remove() {
	if err := os.RemoveAll(d.path); err != nil {
		d.run.job.s.deps.Log.Warn("the directory of a run was not removed", "job", d.run.job.Name, "run", d.run.id, "err", err)
	}
}
