package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Lengths of a token, in bytes. Hashes are not salted, so that a token is found by its hash. So tokens that people make
// up could be guessed from the hashes.
const (
	minToken = 20
	maxToken = 4096
)

func hashTokenCommand() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "hash-token NAME [-]",
		Short: "Make a token for a program, and its entry for the configuration",
		Long: `Hash-token makes a token of 256 random bits and prints it, only once, with the entry for
access.tokens in the configuration. The entry contains only the SHA-256 hash, which cannot be
used as a token. With - it reads your own token from stdin instead, and does not print it.

Programs send the token as "Authorization: Bearer TOKEN"; the commands that ask a gateway,
such as run and watch, read it from TIDEWIRE_TOKEN. People can sign in with it on the page.`,
		Example: "  tidewire hash-token ci\n  tidewire hash-token ci --role viewer\n  pass show tidewire/ci | tidewire hash-token ci -",
		Args:    arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if role != "viewer" && role != "operator" && role != "admin" {
				return usageError(fmt.Sprintf("--role %s is not viewer, operator or admin", role))
			}
			if len(args) == 2 && args[1] != "-" {
				return usageError(
					"a token on the command line would be in the shell's history: pipe it in, with - as the last argument",
				)
			}
			token := newToken()
			if len(args) == 2 {
				var err error
				if token, err = readToken(cmd.InOrStdin()); err != nil {
					return err
				}
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "The token, which is shown only once:\n\n  %s\n\n", token)
			}
			fmt.Fprintf(
				cmd.OutOrStdout(), "For the configuration:\n\naccess:\n  tokens:\n    %s: {sha256: \"%x\", role: %s}\n",
				args[0], sha256.Sum256([]byte(token)), role,
			)
			return nil
		},
	}
	cmd.Flags().StringVar(&role, "role", "operator", "`role` in the entry: viewer, operator or admin")
	choices(cmd, "role", "viewer", "operator", "admin")
	return cmd
}

// newToken returns 256 random bits as text; its prefix identifies it to people and secret scanners.
func newToken() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	return "tw_" + base64.RawURLEncoding.EncodeToString(random[:])
}

// readToken reads one line. Its errors do not quote it.
func readToken(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxToken+1))
	token := strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		return "", fmt.Errorf("read the token: %w", err)
	case len(token) < minToken:
		return "", fmt.Errorf(
			"the token has %s, write at least %d, such as those of: openssl rand -base64 32",
			count(len(token), "character"), minToken,
		)
	case len(data) > maxToken:
		return "", fmt.Errorf("the token is longer than %d bytes", maxToken)
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c >= 0x7f }):
		return "", errors.New(
			"the token has a character that is not allowed in a header: write one line of letters, digits and punctuation without spaces",
		)
	}
	return token, nil
}
