package main

import (
	"github.com/spf13/cobra"
)

// choices completes the value of a flag with the words that it may have.
func choices(cmd *cobra.Command, flag string, words ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}
