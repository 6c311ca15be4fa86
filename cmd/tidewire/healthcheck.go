package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/httpclient"
)

// healthcheckCommand is for images in which there is no other program. It is hidden: who
// sits at a terminal has better ones.
func healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck [URL]",
		Short: "Exit with 0 if a gateway is ready, else with 1",
		Long: `Healthcheck asks a gateway whether it is ready. It takes http://127.0.0.1:8480 if no URL is given,
and any certificate, since that of a gateway is not for its own address.`,
		Example: "  tidewire healthcheck https://127.0.0.1:8480",
		Hidden:  true,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			address := "http://127.0.0.1:8480"
			if len(args) > 0 {
				address = args[0]
			}
			gw, err := newRemote(address, "")
			if err != nil {
				return err
			}
			return gw.ready(cmd.Context())
		},
	}
}

// ready asks whether the gateway is. No token is sent: whoever answers may be anybody.
func (r *remote) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base.JoinPath("readyz").String(), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: httpclient.New(httpclient.Options{TLS: &tls.Config{InsecureSkipVerify: true}})}
	resp, err := client.Do(req)
	if err != nil {
		return r.explained(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: %s", r.base.Redacted(), resp.Status)
	}
	return nil
}
