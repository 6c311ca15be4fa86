//go:build !unix

package main

import "log/slog"

// checkFileLimit does nothing where there is no such limit.
func checkFileLimit(*slog.Logger) error { return nil }
