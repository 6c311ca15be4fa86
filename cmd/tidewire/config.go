package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/config"
	regular "github.com/tidewire/tidewire/internal/file"
	"github.com/tidewire/tidewire/internal/grammar"
)

const (
	usualConfig = "tidewire.yaml" // in the working directory, if no configuration is named
	stdinConfig = "-"
	stdinName   = "stdin"  // in messages
	maxStdin    = 64 << 20 // maximum bytes that are read from stdin; package config reports its own lower bound
)

// configFirst takes CONFIG from the front of args; rest is the number of arguments after it. If it is left out, the
// usual one is used, and named on stderr.
func configFirst(cmd *cobra.Command, args []string, rest int) (name string, others []string, err error) {
	if len(args) > rest {
		return args[0], args[1:], nil
	}
	if _, err := os.Stat(usualConfig); errors.Is(err, fs.ErrNotExist) {
		return "", nil, usageError(
			"no configuration is given, and there is no ./" + usualConfig + ": name one, or write one with 'tidewire init'",
		)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "tidewire: no configuration is given, using ./%s\n", usualConfig)
	return usualConfig, args, nil
}

// openConfig reads a configuration, from stdin if its name is "-". Stdin cannot be read again: then the files are nil.
func openConfig(cmd *cobra.Command, name string) (*config.Config, *config.Files, error) {
	if name != stdinConfig {
		return config.Open(name)
	}
	data, err := readStdin(cmd)
	if err != nil {
		return nil, nil, err
	}
	cfg, problems := config.Load(stdinName, data)
	if len(problems) > 0 {
		return nil, nil, problems
	}
	return cfg, nil, nil
}

// readConfig reads the bytes of a configuration.
func readConfig(cmd *cobra.Command, name string) ([]byte, error) {
	if name == stdinConfig {
		return readStdin(cmd)
	}
	data, err := regular.Read(name, grammar.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return data, nil
}

func readStdin(cmd *cobra.Command) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxStdin))
	if err != nil {
		return nil, fmt.Errorf("read the configuration from stdin: %w", err)
	}
	return data, nil
}
