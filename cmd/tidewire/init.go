package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	regular "github.com/tidewire/tidewire/internal/file"
)

// starter is a configuration that works unchanged.
//
//go:embed starter.yaml
var starter []byte

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a configuration to start from",
		Long: `Init writes a configuration with comments that works as it is, to tidewire.yaml or to the named
file. It does not overwrite a file that is not empty.`,
		Example: "  tidewire init\n  tidewire serve tidewire.yaml",
		Args:    arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "tidewire.yaml"
			if len(args) > 0 {
				name = args[0]
			}
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
			if errors.Is(err, fs.ErrExist) {
				f, err = openEmpty(name)
			}
			if err != nil {
				return fmt.Errorf("write the configuration: %w", err)
			}
			_, err = f.Write(starter)
			if err := errors.Join(err, f.Close()); err != nil {
				return fmt.Errorf("write the configuration: %w", err)
			}
			// Not to stdout, which may be that file: see openEmpty.
			fmt.Fprintf(cmd.ErrOrStderr(), "%s has been written. Run it with: tidewire serve %s\n", name, name)
			return nil
		},
	}
}

// openEmpty opens an existing file for writing if it is empty: a shell creates it for "tidewire init > tidewire.yaml".
func openEmpty(name string) (*os.File, error) {
	f, err := regular.Open(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.Size() > 0 {
		f.Close()
		return nil, fmt.Errorf("%s already exists; name another file", name)
	}
	return f, nil
}
