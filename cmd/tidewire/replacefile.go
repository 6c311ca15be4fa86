package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile writes a file that had the text before, nil if there was none, at once: whoever reads it gets one or the other. It
// fails if the file has another text by now, or is read-only. The file keeps its mode, and a link to it stays one.
func replaceFile(name string, before, text []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	mode := fs.FileMode(0o644)
	switch now, err := os.ReadFile(name); {
	case errors.Is(err, fs.ErrNotExist) && before == nil:
	case err != nil:
		return err
	case !bytes.Equal(now, before):
		return errors.New("it has changed meanwhile")
	default:
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if mode = info.Mode().Perm(); mode&0o222 == 0 {
			return errors.New("it is read-only")
		}
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".tidewire-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // unless it has become the file
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
