//go:build !linux

// Command hostile looks below /proc for what a process takes, so it needs Linux.
package main

import "os"

func main() {
	os.Stderr.WriteString("hostile: needs Linux\n")
	os.Exit(2)
}
