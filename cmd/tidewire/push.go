package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/kind/push"
	"github.com/tidewire/tidewire/internal/wire"
)

func pushCommand() *cobra.Command {
	var address, tokenFile string
	cmd := &cobra.Command{
		Use:   "push SOURCE VALUE",
		Short: "Send a value to a source of a gateway",
		Long: `Push sends a value to a source that has the key push in the configuration: as it is, and as JSON unless the
source has another parse. - stands for what stdin has. The value counts when the command has ended with 0.

The token needs the source among its push, or the role operator. The exit code is 1 if the gateway did not take the value:
what to do about it is up to the caller, such as a retry of cron's next run.`,
		Example: `  tidewire push door '{"open": true}'
  tidewire push room 21.5
  backup.sh | tail -1 | tidewire push backup -`,
		Args:              arguments(2, 2),
		ValidArgsFunction: completePushed,
		RunE: func(cmd *cobra.Command, args []string) error {
			value := []byte(args[1])
			if args[1] == "-" {
				var err error
				if value, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), api.MaxPush+1)); err != nil {
					return fmt.Errorf("read the value: %w", err)
				}
			}
			if len(value) > api.MaxPush {
				return fmt.Errorf("the value has more than %d bytes", api.MaxPush)
			}
			if len(bytes.TrimSpace(value)) == 0 {
				return errors.New("the value is empty")
			}
			gw, err := newRemote(address, tokenFile)
			if err != nil {
				return err
			}
			return gw.ended(cmd.Context(), pushValue(cmd.Context(), gw, args[0], value))
		},
	}
	urlFlag(cmd, &address)
	tokenFlag(cmd, &tokenFile)
	return cmd
}

// pushValue sends a value to a source.
func pushValue(ctx context.Context, gw *remote, source string, value []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerFor)
	defer cancel()
	req, err := gw.request(ctx, "sources", source)
	if err != nil {
		return err
	}
	req.Method, req.Body, req.ContentLength = http.MethodPost, io.NopCloser(bytes.NewReader(value)), int64(len(value))
	req.Header.Set("Content-Type", "application/octet-stream") // what it is, the source knows
	_, _, err = gw.do(req)
	return err
}

// completePushed completes SOURCE with those to which values are sent.
func completePushed(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var list wire.Sources
	address, _ := cmd.Flags().GetString("url")
	if len(args) > 0 || !ask(cmd, address, &list, "sources") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, s := range list.Sources {
		if s.Kind == push.Kind.Name {
			found = append(found, described(s.Name, s.Title))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
