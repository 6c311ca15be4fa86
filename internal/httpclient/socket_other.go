//go:build !linux

package httpclient

// limitUnacknowledged does nothing where the kernel has no such limit.
func limitUnacknowledged(uintptr) {}
