//go:build !unix

package main

import "log/slog"

// checkFileLimit has nothing to say where there is no such limit.
func checkFileLimit(*slog.Logger) error { return nil }
