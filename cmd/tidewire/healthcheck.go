package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidewire/tidewire/internal/httpclient"
)

// healthcheckCommand is for images without other programs.
func healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck [URL]",
		Short: "Exit with 0 if a gateway is ready, else with 1",
		Long: `Healthcheck asks a gateway whether it is ready: GET /readyz below the URL, which may end in /readyz
itself. The default URL is $TIDEWIRE_URL, else http://127.0.0.1:8480. It accepts any certificate, since
that of a gateway is rarely valid for its local address, and sends no token.`,
		Example: "  tidewire healthcheck https://127.0.0.1:8480",
		Args:    arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			address := gatewayURL()
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

// ready asks whether the gateway is ready. It sends no token, because the server has not proved to be the gateway.
func (r *remote) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	asked := r.base
	if path.Base(asked.Path) != "readyz" {
		asked = asked.JoinPath("readyz")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, asked.String(), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: r.dial}
	if r.socket == "" {
		client.Transport = httpclient.New(httpclient.Options{TLS: &tls.Config{InsecureSkipVerify: true}})
	}
	resp, err := client.Do(req)
	if err != nil {
		return (&remote{base: asked, socket: r.socket}).explained(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: GET %s: %s", asked.Redacted(), resp.Status)
	}
	return nil
}
