package jobs

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/file"
	"github.com/tidewire/tidewire/internal/wire"
)

// A runDir is the directory of a run, which nobody else may enter. It has the files that were given for arguments, and in a
// directory of their own those that the program leaves.
//
// It is held for as long as the run has it, so that a process which begins after one that was killed knows which ones are left.
type runDir struct {
	run     *Run
	path    string
	held    *os.File
	results string
	args    map[string]any // of the run, with the path of each file, and of the results as run_dir
}

// newRunDir makes the directory of a run.
func newRunDir(r *Run) (*runDir, error) {
	path, err := os.MkdirTemp("", runDirPrefix)
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

func (d *runDir) fill() (err error) {
	if d.held, err = os.Open(d.path); err != nil {
		return err
	}
	hold(d.held)
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

// keepResults keeps those files that the program has left which are results of the job, in the order of their names. If there are
// too many, those that the job names come before those of its patterns.
func (d *runDir) keepResults() {
	if d.run.job.Results == nil {
		return
	}
	names, err := namesIn(d.results)
	if err != nil {
		d.run.print("the results cannot be read: "+err.Error(), true)
		return
	}
	isNamed := func(name string) bool { return slices.Contains(d.run.job.Results, name) }
	names = slices.DeleteFunc(names, func(name string) bool { return !d.run.job.Keeps(name) })
	if len(names) > maxResults {
		others := slices.DeleteFunc(slices.Clone(names), isNamed)
		names = append(slices.DeleteFunc(names, func(name string) bool { return !isNamed(name) }), others...)
	}
	taken := 0
	for _, name := range names {
		given := config.NewFile(name, "", nil)
		if taken++; taken > maxResults {
			d.run.print(fmt.Sprintf("the file %s is not kept, nor those after it: a run keeps %d results", given.Name, maxResults), true)
			return
		}
		data, err := readResult(filepath.Join(d.results, name))
		if err != nil {
			d.run.print(fmt.Sprintf("the file %s is not kept: %v", given.Name, causeOf(err)), true)
			continue
		}
		d.run.keepFile(wire.File{Name: given.Name, Type: given.Type}, data)
	}
}

// readResult reads a file that a program has left, but not what a link is to.
func readResult(path string) ([]byte, error) {
	if info, err := os.Lstat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, file.ErrNotRegular
	}
	return file.Read(path, config.MaxFiles)
}

func (d *runDir) remove() {
	if d.held != nil {
		defer d.held.Close()
	}
	if err := removeDir(d.path); err != nil {
		d.run.job.s.deps.Log.Warn("the directory of a run was not removed", "job", d.run.job.Name, "run", d.run.id, "err", err)
	}
}

// removeDir removes a directory with all that is in it, also where a program has made directories that not even their owner may
// change.
func removeDir(path string) error {
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(path, func(path string, entry fs.DirEntry, _ error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}

const (
	// runDirPrefix begins the names of the directories of runs.
	runDirPrefix = "tidewire-run-"
	// leftAfter is how old a directory is that nobody holds: the run of a younger one may not hold it yet.
	leftAfter = time.Minute
)

// removeLeft removes the directories of runs of a process that was killed. They have files that somebody has given.
func removeLeft(log *slog.Logger) {
	paths, _ := filepath.Glob(filepath.Join(os.TempDir(), runDirPrefix+"*"))
	for _, path := range paths {
		if err := removeIfLeft(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("the directory of a run before this start was not removed", "path", path, "err", err)
		}
	}
}

func removeIfLeft(path string) error {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || !isOwn(info) || time.Since(info.ModTime()) < leftAfter {
		return err
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if !hold(dir) {
		return nil
	}
	return removeDir(path)
}
