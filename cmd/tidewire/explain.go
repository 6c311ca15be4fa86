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
		Short: "Say what holds for a source or job, and where that is written",
		Long: `Explain prints each setting that holds for a source or job: the key, the value, and the line it
comes from, of the source itself or of the defaults, or that it is built in. What may be a
credential, and what comes from the environment or a file, is shown as ***. Where a source and a job
have one name, write source/NAME or job/NAME. CONFIG is as for check.`,
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
