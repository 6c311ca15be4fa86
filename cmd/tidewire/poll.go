package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/gateway"
)

func pollCommand() *cobra.Command {
	var trace bool
	cmd := &cobra.Command{
		Use:   "poll [CONFIG] SOURCE",
		Short: "Poll a source once and print its value",
		Long: `Poll polls one source of a configuration once, as serve would, and prints its value as JSON. The inputs
of a computed source are polled first. If a poll fails, the error is on stderr and the exit code is 1.

With --trace it prints each step instead: the request and the answer, or the program and its exit
status, how long each took, the body as received, what each expression picks from it, and the value. The
values of headers and of the query are shown as ***; the body is shown as it is. CONFIG is as for check.`,
		Example:           "  tidewire poll tidewire.yaml tank\n  tidewire poll tidewire.yaml tank --trace",
		Args:              arguments(1, 2),
		ValidArgsFunction: completeConfig(sourceNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, args, err := configFirst(cmd, args, 1)
			if err != nil {
				return err
			}
			cfg, _, err := openConfig(cmd, name)
			if err != nil {
				return err
			}
			if _, err := cfg.Source(args[0]); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			out := cmd.OutOrStdout()
			if trace {
				_, err := gateway.PollOnce(cmd.Context(), cfg, args[0], out)
				return err
			}
			value, err := gateway.PollOnce(cmd.Context(), cfg, args[0], nil)
			if err != nil {
				return err
			}
			return printJSON(out, value)
		},
	}
	cmd.Flags().BoolVar(&trace, "trace", false, "show each step")
	return cmd
}

// printJSON prints a value, indented for people.
func printJSON(w io.Writer, value json.RawMessage) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(value)
}
