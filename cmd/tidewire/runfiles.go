package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	regular "github.com/tidewire/tidewire/internal/file"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
)

// withFiles returns the values of arguments as they are sent: of an argument of the type file, @PATH is the file there. What
// kind of argument it is the gateway is asked only if a value begins with @.
func withFiles(ctx context.Context, gw *remote, job string, values map[string]string) (map[string]any, error) {
	args := map[string]any{}
	var definition wire.JobObject
	for name, value := range values {
		args[name] = value
		path, ok := strings.CutPrefix(value, "@")
		if !ok {
			continue
		}
		if definition.Name == "" {
			if _, err := gw.get(ctx, &definition, "jobs", job); err != nil {
				return nil, err
			}
		}
		i := slices.IndexFunc(definition.Args, func(a wire.Arg) bool { return a.Name == name })
		if i < 0 || definition.Args[i].Type != string(config.ArgFile) {
			continue // it is a text that begins with @
		}
		most := definition.Args[i].MaxSize
		data, err := regular.Read(path, most)
		if large := new(regular.TooLargeError); errors.As(err, &large) {
			return nil, usageError(fmt.Sprintf("the argument %s takes a file of at most %d bytes, and %s has more", text.Line(name), most, path))
		}
		if err != nil {
			return nil, usageError(fmt.Sprintf("read the argument %s: %v", text.Line(name), err))
		}
		args[name] = config.NewFile(filepath.Base(path), "", data)
	}
	return config.Given(args), nil
}

// saveFiles saves the files that a run has left in a directory, and says on notes where. Without a directory it says which there
// are. A file that is there already stays as it is.
func saveFiles(ctx context.Context, gw *remote, run wire.Run, dir string, notes io.Writer) error {
	for _, f := range run.Files {
		if f.Arg != "" {
			continue
		}
		if dir == "" {
			fmt.Fprintf(notes, "  it has left %s (%d bytes): %s\n", text.Line(f.Name), f.Size, gw.url("runs", run.ID, "files", f.Name).Redacted())
			continue
		}
		if err := saveFile(ctx, gw, run.ID, f.Name, dir); err != nil {
			return gw.ended(ctx, err)
		}
		fmt.Fprintf(notes, "  saved %s\n", text.Line(filepath.Join(dir, f.Name)))
	}
	return nil
}

// saveFile saves a file of a run. What a gateway calls it is not believed.
func saveFile(ctx context.Context, gw *remote, run, name, dir string) error {
	if config.FileName(name) != name {
		return fmt.Errorf("the name %q of a file is not safe here", name)
	}
	ctx, cancel := context.WithTimeout(ctx, answerFor)
	defer cancel()
	req, err := gw.request(ctx, "runs", run, "files", name)
	if err != nil {
		return err
	}
	_, data, err := gw.do(req)
	if err != nil {
		return err
	}
	f, err := regular.Open(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("save a file of the run: %w", err)
	}
	if _, err = f.Write(data); err == nil {
		return f.Close()
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}
