package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/store"
)

func backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup [CONFIG] FILE",
		Short: "Copy the stored state to a file, also while it is used",
		Long: `Backup writes a copy of the database of a store in a directory (store: {dir: ...}) to a new
file. It can run while the gateway does, and has what was stored at one moment. To restore it,
stop the gateway, remove tidewire.db-wal and tidewire.db-shm from the directory, and put the
copy in place of tidewire.db, owned by the user that the gateway runs as.

CONFIG defaults to ./tidewire.yaml. It may also be the directory itself, which needs none of
the secrets that the configuration refers to.`,
		Example: `  tidewire backup tidewire-$(date +%F).db
  tidewire backup /var/lib/tidewire/data /mnt/backup/tidewire.db`,
		Args:              arguments(1, 2),
		ValidArgsFunction: completeConfig(nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, rest, err := configFirst(cmd, args, 1)
			if err != nil {
				return err
			}
			dir := name
			if info, err := os.Stat(name); err != nil || !info.IsDir() {
				cfg, _, err := openConfig(cmd, name)
				if err != nil {
					return err
				}
				switch {
				case cfg.NATS != nil:
					return fmt.Errorf("this copies the store of a directory, and the configuration keeps state in NATS: "+
						"copy it with nats stream backup %s DIRECTORY", cfg.NATS.Prefix)
				case cfg.Store == nil:
					return errors.New("there is nothing to back up: the configuration keeps state in memory (see store)")
				}
				dir = cfg.Store.Dir
			}
			size, err := store.Backup(cmd.Context(), dir, rest[0])
			if cmd.Context().Err() != nil {
				return exitStatus(exitInterrupted)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s has been written: %.1f MB\n", rest[0], float64(size)/1e6)
			return nil
		},
	}
}
