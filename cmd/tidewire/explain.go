package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/config"
)

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CONFIG] NAME",
		Short: "Show the settings in effect for a source or job, and where they come from",
		Long: `Explain prints each setting in effect for a source or job: the key, the value, and where it comes
from: a line of the source or job itself, a line of the defaults, or built in. Possible credentials,
and values from the environment or a file, are shown as ***. If a source and a job have the same
name, write source/NAME or job/NAME. Of what for makes, such as pump/north, it shows the row, too.
A row of a source that is split has the settings of that. CONFIG is as for check.`,
		Example:           "  tidewire explain tidewire.yaml tank\n  tidewire explain tidewire.yaml job/discover",
		Args:              arguments(1, 2),
		ValidArgsFunction: completeConfig(configured),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, what, err := configFirst(cmd, args, 1)
			if err != nil {
				return err
			}
			data, err := readConfig(cmd, name)
			if err != nil {
				return err
			}
			if name == stdinConfig {
				name = stdinName
			}
			settings, err := config.Explain(name, data, what[0])
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, s := range settings {
				fmt.Fprintf(w, "%s\t%s\t%s\n", s.Key, s.Value, s.From)
			}
			return w.Flush()
		},
	}
}
