//go:build unix

package gateway_test

import (
	"os"
	"syscall"
	"testing"
)

// A pipe in place of the configuration is not waited for, nor anybody with it.
func TestAPipeInPlaceOfTheConfiguration(t *testing.T) {
	const yaml = "sources: {a: {exec: [echo, '1'], every: 1h}}\n"
	s := startFile(t, yaml, 0)
	if err := os.Remove(s.file); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(s.file, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.json(422, "POST", "/api/v1/config/reload", ""); !contains(of(got, "detail"), "not a regular file") {
		t.Errorf("reload = %v, want that it is not a regular file", got)
	}
	if err := os.Remove(s.file); err != nil {
		t.Fatal(err)
	}
	s.reload(yaml)
}
